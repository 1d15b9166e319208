import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { storeContract } from '../../../tests/integration/store-contract.js'
import { noMappedFiles } from '../../../tests/support/maps-files.js'
import { type Clock, systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { directoryStore } from './directory.js'
import type { ObjectStore } from './object-store.js'

const skipped = { skip: noMappedFiles() }
const surroundings = { clock: systemClock, random: systemRandom, log: silentLog() }

for (const journals of [true, false])
  for (const fsync of [true, false]) {
    const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
    const open = () => directoryStore({ path, fsync, journals, ...surroundings })
    storeContract(`the directory store ${journals ? 'with' : 'without'} journals, fsync ${fsync ? 'on' : 'off'}`, {
      watches: true,
      open: () => Promise.all([open(), open()]),
      remove: async () => fs.rmSync(path, { recursive: true }),
    })
  }

/** A directory store on a new folder, and the folder. Without journals, unless asked for. */
async function storeOnNewFolder(
  options: { fsync?: boolean; journals?: boolean; mmap?: boolean; clock?: Clock } = {},
): Promise<{ store: ObjectStore; path: string }> {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  const store = await directoryStore({ path, fsync: false, journals: false, ...surroundings, ...options })
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

for (const [fsync, journals] of [
  [true, true],
  [false, true],
  [true, false],
  [false, false],
] as const)
  test(`what was written lately can be had at once (fsync ${fsync}, journals ${journals})`, async () => {
    // No call takes time, so the store is never too slow for the event loop.
    let laterMs = 0
    const clock = { ...systemClock, now: () => Date.now() + laterMs, monotonic: () => laterMs }
    const own = await storeOnNewFolder({ fsync, journals, clock, mmap: false })
    const keys = ['segments/a', 'ledger/0/00000000000000000001', 'ledger/0/00000000000000000002']
    const bodies = [1_000, 1_000, 700_000].map((length) => Buffer.alloc(length, length >> 4))
    for (const [i, key] of keys.entries())
      assert.equal(await own.store.putIfAbsent(key, [bodies[i] as Buffer]), 'created')
    // The second name of a file goes soon.
    while (fs.readdirSync(`${own.path}/segments`).some((name) => fs.statSync(`${own.path}/segments/${name}`).nlink > 1))
      await systemClock.sleep(1)
    const now = (key: string, position = 10) => own.store.getNow?.(key, { position, length: 2_000 }, Buffer.alloc)
    for (const [i, key] of keys.entries()) {
      if (!journals) while (fs.statSync(`${own.path}/${key}`).nlink > 1) await systemClock.sleep(1)
      assert.deepEqual(now(key), { bytes: bodies[i]?.subarray(10, 2_010), size: bodies[i]?.length })
    }
    // The event loop waits for no more than it would for a few megabytes.
    for (const key of keys)
      assert.equal(own.store.getNow?.(key, { position: 0, length: 3 * 2 ** 20 }, Buffer.alloc), undefined)
    assert.equal(now('segments/b'), undefined)
    assert.equal(now('ledger/0/00000000000000000003'), undefined)
    // Other ledgers' entries, and what looks like an entry.
    for (const key of ['ledger/1/', 'ledger/00/', 'ledger/0x'])
      assert.equal(now(`${key}00000000000000000001`), undefined)
    assert.equal(now('ledger/0/0000000000000000000x'), undefined)
    // Old files may have to come from the disk; a journal's file is recent as long as it is written.
    laterMs = 61_000
    assert.equal(now('segments/a'), undefined)
    await own.store.delete(keys)
    laterMs = 0
    for (const key of keys) assert.equal(now(key), undefined)
    await closeAndRemove(own)
  })

for (const journals of [true, false])
  test(`large pieces of what the page cache has are lent, however old (journals ${journals})`, skipped, async () => {
    let laterMs = 0
    const clock = { ...systemClock, now: () => Date.now() + laterMs, monotonic: () => laterMs }
    const own = await storeOnNewFolder({ journals, clock })
    const bodies = new Map([
      ['segments/a', randomBytes(3 * 2 ** 20)],
      ['ledger/0/00000000000000000001', randomBytes(300_000)],
      ['ledger/0/00000000000000000002', randomBytes(200_000)],
      ['ledger/0/00000000000000000003', randomBytes(5 * 2 ** 20)],
    ])
    for (const [key, body] of bodies) assert.equal(await own.store.putIfAbsent(key, [body]), 'created')
    await own.store.get('segments/a')
    for (const name of ['segments', 'ledger/0'])
      while (
        fs.existsSync(`${own.path}/${name}`) &&
        fs.readdirSync(`${own.path}/${name}`).some((file) => fs.statSync(`${own.path}/${name}/${file}`).nlink > 1)
      )
        await systemClock.sleep(1)
    for (const laterBy of [0, 120_000]) {
      laterMs = laterBy
      for (const [key, body] of bodies)
        for (const position of [0, 1, 100_000]) {
          const object = own.store.getNow?.(key, { position, length: 2 ** 30 }, Buffer.alloc, true)
          assert.equal(object !== undefined, body.length - position > 256 * 1024, `${key} from ${position}`)
          if (object === undefined) continue
          assert.equal(object.size, body.length)
          assert.deepEqual(object.bytes, body.subarray(position))
          object.bytes.fill(0)
          object.release?.()
          assert.notEqual(object.release, undefined)
          assert.deepEqual((await own.store.get(key))?.bytes, body)
        }
    }
    await closeAndRemove(own)
  })

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
  const open = () => directoryStore({ path, fsync: true, journals: false, ...surroundings })
  const stores = await Promise.all([open(), open(), open()])
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

const entryKey = (number: number, ledger = 0) => `ledger/${ledger}/${String(number).padStart(20, '0')}`

async function keysOf(store: ObjectStore, prefix: string, options: { after?: string; limit?: number } = {}) {
  const keys: string[] = []
  for await (const { key } of store.list(prefix, options)) keys.push(key)
  return keys
}

test("ledgers' entries are kept in journals, all else in files, and a listing gives both in order", async () => {
  const own = await storeOnNewFolder({ journals: true })
  const keys = ['a', 'ledger.x', 'lanes/0/1', 'ledgers', 'z/1', 'ledger/0/x']
  for (const ledger of [0, 1, 2, 10]) for (const number of [1, 2, 11]) keys.push(entryKey(number, ledger))
  for (const key of keys) assert.equal(await own.store.putIfAbsent(key, [Buffer.from(key)]), 'created')
  keys.sort((a, b) => (a < b ? -1 : 1))
  assert.deepEqual(fs.readdirSync(`${own.path}/ledger/0`), ['x'])
  const other = await directoryStore({ path: own.path, fsync: false, ...surroundings })
  for (const store of [own.store, other]) {
    for (const key of keys) assert.equal((await store.get(key))?.bytes.toString(), key)
    for (const prefix of [
      '',
      'l',
      'ledger',
      'ledger/',
      'ledger/1',
      'ledger/1/',
      entryKey(1).slice(0, -1),
      entryKey(11),
    ])
      for (const after of ['', 'l', 'ledger/0', entryKey(1), `${entryKey(1)}x`, 'ledger/0/0', entryKey(2, 1), 'zz'])
        for (const limit of [0, 2, 100])
          assert.deepEqual(
            await keysOf(store, prefix, { after, limit }),
            keys.filter((key) => key.startsWith(prefix) && key > after).slice(0, limit),
            `${prefix} after ${after}`,
          )
  }
  await own.store.delete([entryKey(2), 'a', entryKey(11, 10), entryKey(77)])
  const left = keys.filter((key) => key !== entryKey(2) && key !== 'a' && key !== entryKey(11, 10))
  assert.deepEqual(await keysOf(other, ''), left)
  await other.close()
  await closeAndRemove(own)
})

test('a watch of a journal tells of what others put, by its name, and not of what this process does', async () => {
  const own = await storeOnNewFolder({ journals: true })
  const other = await directoryStore({ path: own.path, fsync: false, ...surroundings })
  const heard: (string | undefined)[] = []
  await own.store.get(entryKey(1))
  own.store.watch?.('ledger/0', (name) => heard.push(name))
  await own.store.putIfAbsent(entryKey(1), [])
  await systemClock.sleep(30)
  assert.deepEqual(heard, [])
  await other.putIfAbsent(entryKey(2), [])
  for (let turn = 0; heard.length === 0 && turn < 1_000; turn++) await systemClock.sleep(5)
  assert.deepEqual(heard, ['00000000000000000002'])
  await other.close()
  await closeAndRemove(own)
})

test('a directory that has entries as files stays so, one with journals is not written to over a network', async () => {
  const old = await storeOnNewFolder()
  await old.store.putIfAbsent(entryKey(1), [Buffer.from('one')])
  const again = await directoryStore({ path: old.path, fsync: false, journals: true, ...surroundings })
  assert.equal((await again.get(entryKey(1)))?.bytes.toString(), 'one')
  assert.equal(await again.putIfAbsent(entryKey(1), []), 'exists')
  await again.putIfAbsent(entryKey(2), [])
  assert.equal(fs.readdirSync(`${old.path}/ledger/0`).length, 2)
  await again.close()
  await closeAndRemove(old)

  const own = await storeOnNewFolder({ journals: true })
  await own.store.putIfAbsent(entryKey(1), [Buffer.from('one')])
  const network = { path: own.path, fsync: false, journals: false, ...surroundings }
  await assert.rejects(directoryStore(network), { name: 'StoreError', message: /ledger copy/, retry: false })
  const reader = await directoryStore({ ...network, readOnly: true })
  assert.equal((await reader.get(entryKey(1)))?.bytes.toString(), 'one')
  await reader.close()
  await closeAndRemove(own)
})

test('who only looks makes no journal', async () => {
  const path = fs.mkdtempSync(`${tmpdir()}/heraclitus-store-`)
  const reader = await directoryStore({ path, readOnly: true, ...surroundings })
  assert.equal(await reader.get(entryKey(1)), undefined)
  assert.deepEqual(await keysOf(reader, ''), [])
  await reader.close()
  assert.deepEqual(fs.readdirSync(path), [])
  fs.rmSync(path, { recursive: true })
})
