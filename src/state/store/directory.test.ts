import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { storeContract } from '../../../tests/integration/store-contract.js'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { directoryStore } from './directory.js'
import type { ObjectStore } from './object-store.js'

const surroundings = { clock: systemClock, random: systemRandom, log: silentLog() }

for (const fsync of [true, false]) {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  storeContract(`the directory store with fsync ${fsync ? 'on' : 'off'}`, {
    watches: true,
    open: () =>
      Promise.all([directoryStore({ path, fsync, ...surroundings }), directoryStore({ path, fsync, ...surroundings })]),
    remove: async () => fs.rmSync(path, { recursive: true }),
  })
}

/** A directory store on a new folder, and the folder. */
async function storeOnNewFolder(options: { fsync?: boolean } = {}): Promise<{ store: ObjectStore; path: string }> {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  const store = await directoryStore({ path, fsync: false, ...surroundings, ...options })
  return { store, path }
}

async function closeAndRemove({ store, path }: { store: ObjectStore; path: string }): Promise<void> {
  await store.close()
  fs.rmSync(path, { recursive: true })
}

for (const fsync of [true, false]) {
  test(`a put leaves nothing but the object behind (fsync ${fsync ? 'on' : 'off'})`, async () => {
    const own = await storeOnNewFolder({ fsync })
    for (const size of [0, 10, 300_000]) {
      await own.store.putIfAbsent(`a/b/${size}`, [Buffer.alloc(size)])
      assert.equal(await own.store.putIfAbsent(`a/b/${size}`, [Buffer.alloc(size)]), 'exists')
      const stat = () => fs.statSync(`${own.path}/a/b/${size}`)
      // The other name goes once the put has been answered.
      while (stat().nlink > 1) await systemClock.sleep(1)
      assert.equal(stat().size, size)
    }
    await own.store.close()
    assert.deepEqual(fs.readdirSync(`${own.path}/tmp`), [])
    fs.rmSync(own.path, { recursive: true })
  })
}

test('a put that fails leaves no temporary file, and says whether to try again', async () => {
  const own = await storeOnNewFolder()
  await own.store.putIfAbsent('file', [Buffer.from('x')])
  await assert.rejects(own.store.putIfAbsent('file/below', [Buffer.from('x')]), { name: 'StoreError', retry: false })
  assert.equal(await own.store.get('file/below'), undefined)
  fs.rmSync(`${own.path}/tmp`, { recursive: true })
  await assert.rejects(own.store.putIfAbsent('other', [Buffer.from('x')]), { name: 'StoreError', retry: true })
  fs.mkdirSync(`${own.path}/tmp`)
  assert.equal(await own.store.putIfAbsent('other', [Buffer.from('x')]), 'created')
  await own.store.close()
  assert.deepEqual(fs.readdirSync(`${own.path}/tmp`), [])
  fs.rmSync(own.path, { recursive: true })
})

test('a folder that somebody removed is made again', async () => {
  for (const fsync of [true, false]) {
    const own = await storeOnNewFolder({ fsync })
    await own.store.putIfAbsent('a/b/1', [])
    fs.rmSync(`${own.path}/a`, { recursive: true })
    assert.equal(await own.store.get('a/b/1'), undefined)
    assert.equal(await own.store.putIfAbsent('a/b/2', []), 'created')
    await closeAndRemove(own)
  }
})

test('old temporary files of dead processes are swept at the start, young ones are not', async () => {
  const own = await storeOnNewFolder()
  fs.writeFileSync(`${own.path}/tmp/1-abandoned-1`, 'x')
  await own.store.close()
  const young = await directoryStore({ path: own.path, fsync: false, ...surroundings })
  await young.close()
  assert.deepEqual(fs.readdirSync(`${own.path}/tmp`), ['1-abandoned-1'])
  const clock = { ...systemClock, now: () => Date.now() + 3_700_000 }
  const later = await directoryStore({ path: own.path, fsync: false, ...surroundings, clock })
  await later.close()
  assert.deepEqual(fs.readdirSync(`${own.path}/tmp`), [])
  await closeAndRemove(own)
})

test('objects are read through the thread pool when they are old, and from the event loop when they are new', async () => {
  const own = await storeOnNewFolder()
  const body = Buffer.from('0123456789')
  await own.store.putIfAbsent('a/1', [body])
  const clock = { ...systemClock, now: () => Date.now() + 3_600_000 }
  const later = await directoryStore({ path: own.path, fsync: false, ...surroundings, clock })
  for (const store of [own.store, later]) {
    assert.deepEqual(await store.get('a/1'), { bytes: body, size: 10 })
    assert.deepEqual(await store.get('a/1', { position: 3, length: 4 }), { bytes: body.subarray(3, 7), size: 10 })
    assert.equal(await store.get('a/2'), undefined)
  }
  await later.close()
  await closeAndRemove(own)
})

test('a slow file system is asked through the thread pool, with the same results', async () => {
  // Each look at this clock is a second later than the one before: every call seems to take one.
  let now = 0
  const clock = { ...systemClock, monotonic: () => (now += 1_000) }
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  for (const fsync of [true, false]) {
    const store = await directoryStore({ path, fsync, ...surroundings, clock })
    for (let i = 0; i < 50; i++) {
      const key = `${fsync}/${i}`
      assert.equal(await store.putIfAbsent(key, [Buffer.from('a'), Buffer.from(String(i))]), 'created')
      assert.equal(await store.putIfAbsent(key, [Buffer.from('b')]), 'exists')
      assert.equal((await store.get(key))?.bytes.toString(), `a${i}`)
      assert.equal(await store.get(`${key}-missing`), undefined)
    }
    await store.close()
  }
  assert.deepEqual(fs.readdirSync(`${path}/tmp`), [])
  fs.rmSync(path, { recursive: true })
})

test('files that are no objects are passed over by a listing', async () => {
  const own = await storeOnNewFolder()
  await own.store.putIfAbsent('a/1', [])
  fs.writeFileSync(`${own.path}/a/not a key`, '')
  fs.mkdirSync(`${own.path}/lost+found`)
  fs.writeFileSync(`${own.path}/lost+found/x`, '')
  fs.symlinkSync('1', `${own.path}/a/link`)
  const keys: string[] = []
  for await (const { key } of own.store.list('')) keys.push(key)
  assert.deepEqual(keys, ['a/1'])
  await closeAndRemove(own)
})

test('a folder that cannot be one is refused at the start', async () => {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  fs.writeFileSync(`${path}/file`, '')
  for (const bad of [`${path}/file`, `${path}/file/below`])
    await assert.rejects(directoryStore({ path: bad, ...surroundings }), { name: 'StoreError' })
  fs.rmSync(path, { recursive: true })
})

test('with the last object below it a folder goes, unless it is watched', async () => {
  const own = await storeOnNewFolder()
  for (const key of ['a/b/c/1', 'a/b/2', 'w/x/1']) await own.store.putIfAbsent(key, [])
  own.store.watch?.('w/x', () => {})
  await own.store.delete(['a/b/c/1', 'w/x/1', 'missing/1'])
  assert.deepEqual(fs.readdirSync(`${own.path}/a/b`), ['2'])
  assert.ok(fs.existsSync(`${own.path}/w/x`))
  await own.store.delete(['a/b/2'])
  assert.deepEqual(fs.readdirSync(own.path), ['tmp', 'w'])
  assert.equal(await own.store.putIfAbsent('a/b/c/1', [Buffer.from('again')]), 'created')
  assert.equal(`${(await own.store.get('a/b/c/1'))?.bytes}`, 'again')
  await closeAndRemove(own)
})

test('puts into a folder succeed while others empty it', async () => {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  const stores = await Promise.all([1, 2, 3].map(() => directoryStore({ path, fsync: true, ...surroundings })))
  await Promise.all(
    stores.map(async (store, i) => {
      for (let n = 0; n < 60; n++) {
        const key = `lanes/0/7/${i}-${n}`
        assert.equal(await store.putIfAbsent(key, [Buffer.from(key)]), 'created')
        assert.equal(`${(await store.get(key))?.bytes}`, key)
        await store.delete([key])
      }
    }),
  )
  assert.deepEqual(fs.readdirSync(path), ['tmp'])
  for (const store of stores) await store.close()
  fs.rmSync(path, { recursive: true })
})

test('a listing that begins late in a folder gives what one from its beginning does', async () => {
  const own = await storeOnNewFolder()
  const keys = Array.from({ length: 400 }, (_, i) => `f/${String(i).padStart(4, '0')}`)
  keys.push('f/0100x/1', 'f/0399a/below', 'g/1')
  for (const key of keys) await own.store.putIfAbsent(key, [])
  fs.symlinkSync('0001', `${own.path}/f/0399-link`)
  keys.sort((a, b) => (a < b ? -1 : 1))
  for (const after of ['f/0010', 'f/0099', 'f/0100x', 'f/0398', 'f/0399', 'f/0399a/0', 'f/9', 'e'])
    for (const prefix of ['f/', '', 'f/03']) {
      const found: string[] = []
      for await (const { key } of own.store.list(prefix, { after })) found.push(key)
      assert.deepEqual(
        found,
        keys.filter((key) => key.startsWith(prefix) && key > after),
        `${prefix} after ${after}`,
      )
    }
  await closeAndRemove(own)
})
