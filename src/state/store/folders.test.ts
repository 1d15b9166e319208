import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { Folders, fsyncFolder } from './folders.js'

/** Flushes that the test ends itself. */
function heldFlushes() {
  const begun: { path: string; end: (error?: Error) => void }[] = []
  const flush = (path: string) =>
    new Promise<void>((resolve, reject) => {
      begun.push({ path, end: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  return { begun, flush }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('those who come while a folder is flushed share one flush that begins after them', async () => {
  const { begun, flush } = heldFlushes()
  const folders = new Folders('/r', flush)
  const done: string[] = []
  const wait = (name: string) => folders.flush('/r/a').then(() => done.push(name))
  const all = [wait('first'), wait('second'), wait('third')]
  const elsewhere = folders.flush('/r/b')
  await turn()
  assert.deepEqual(
    begun.map(({ path }) => path),
    ['/r/a', '/r/b'],
  )
  begun[0]?.end()
  await turn()
  assert.deepEqual(done, ['first'])
  assert.equal(begun.length, 3)
  all.push(wait('fourth'))
  begun[2]?.end()
  await turn()
  assert.deepEqual(done, ['first', 'second', 'third'])
  assert.equal(begun.length, 4)
  begun[3]?.end()
  begun[1]?.end()
  await Promise.all([...all, elsewhere])
  const late = folders.flush('/r/a')
  await turn()
  assert.equal(begun.length, 5)
  begun[4]?.end()
  await late
})

test('a failed flush is for good: the kernel may have dropped what it could not write', async () => {
  const { begun, flush } = heldFlushes()
  const folders = new Folders('/r', flush)
  const [first, second] = [folders.flush('/r'), folders.flush('/r')]
  begun[0]?.end(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO', syscall: 'fsync' }))
  await assert.rejects(first, { name: 'StoreError', retry: false })
  await assert.rejects(second, /restart/)
  await assert.rejects(folders.flush('/r/other'), /restart/)
  assert.equal(begun.length, 1)
})

test('a folder that could not be opened is flushed the next time', async () => {
  const { begun, flush } = heldFlushes()
  const folders = new Folders('/r', flush)
  const first = folders.flush('/r')
  begun[0]?.end(Object.assign(new Error('EMFILE'), { code: 'EMFILE', syscall: 'open' }))
  await assert.rejects(first, /EMFILE/)
  const second = folders.flush('/r')
  begun[1]?.end()
  await second
})

test('a new folder is durable in its parent before it is known, also when somebody else made it', async () => {
  const root = fs.mkdtempSync(`${tmpdir()}/heraclitus-folders-`)
  fs.mkdirSync(`${root}/a`)
  const flushed: string[] = []
  const folders = new Folders(root, async (path) => {
    await fsyncFolder(path)
    flushed.push(path.slice(root.length))
  })
  await Promise.all([folders.ensure(`${root}/a/b/c`), folders.ensure(`${root}/a/b/c`)])
  assert.ok(fs.statSync(`${root}/a/b/c`).isDirectory())
  assert.ok(folders.isKnown(`${root}/a/b/c`))
  assert.deepEqual([...new Set(flushed)], ['', '/a', '/a/b'])
  flushed.length = 0
  await folders.ensure(`${root}/a/b/c`)
  assert.deepEqual(flushed, [])
  folders.forget(`${root}/a/b`)
  assert.ok(!folders.isKnown(`${root}/a`))
  assert.ok(folders.isKnown(root))
  fs.rmSync(root, { recursive: true })
})
