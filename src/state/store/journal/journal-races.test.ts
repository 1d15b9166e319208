import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { journalFolder, journalIn, limitsOf, numbersIn, textOf } from '../../../../tests/support/journals.js'
import { systemClock } from '../../../base/clock.js'
import { type Random, systemRandom } from '../../../base/random.js'
import { Flushes } from '../flushes.js'
import type { Journal } from './journal.js'

// What one process does between two steps of another.

const base = fs.mkdtempSync(`${tmpdir()}/heraclitus-journal-races-`)
after(() => fs.rmSync(base, { recursive: true }))
const newRoot = () => fs.mkdtempSync(`${base}/`)
const pathOf = (root: string, ordinal: number) => `${journalFolder(root)}/${String(ordinal).padStart(10, '0')}.journal`
/** Files of four objects. */
const limits = limitsOf(4)
const untilOtherwise = limitsOf(1_000)

async function put(journal: Journal, ...numbers: number[]): Promise<void> {
  for (const number of numbers)
    assert.equal(await journal.putIfAbsent(number, [Buffer.from(String(number))]), 'created', String(number))
}

/** What another process writes further, at once, when `bring` is called with the files that are there then besides the first. */
async function further(root: string, work: (other: Journal) => Promise<void>): Promise<(ordinals: number[]) => void> {
  const copy = newRoot()
  fs.cpSync(`${root}/journal`, `${copy}/journal`, { recursive: true })
  const other = journalIn(copy, { limits })
  await work(other)
  await other.close()
  return function bring(ordinals) {
    const grown = fs.readFileSync(pathOf(copy, 1))
    fs.appendFileSync(pathOf(root, 1), grown.subarray(fs.statSync(pathOf(root, 1)).size))
    for (const ordinal of ordinals) fs.copyFileSync(pathOf(copy, ordinal), pathOf(root, ordinal))
  }
}

test('a deletion of what was in a file that is gone does not count for the file before it', async () => {
  const root = newRoot()
  const mine = journalIn(root, { limits })
  await put(mine, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  // Said in the third file; who opens the journal later reads the fourth alone, and finds 5 and 6.
  await mine.delete([5, 6])
  await put(mine, 10, 11, 12, 13)
  const other = journalIn(root, { limits })
  assert.ok((await numbersIn(other)).includes(5))
  // The second file goes.
  await mine.delete([7, 8])
  await other.delete([5, 6])
  // And the first keeps 3 and 4.
  await mine.delete([1, 2])
  const later = journalIn(root, { limits })
  assert.equal(await textOf(later, 3), '3')
  assert.equal(await textOf(later, 4), '4')
})

test('nor if the file went while its deletions were on their way', async () => {
  const root = newRoot()
  const [mine, other] = [journalIn(root, { limits }), journalIn(root, { limits })]
  await put(mine, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  assert.equal((await numbersIn(mine)).length, 9)
  const listing = mine.list(-1)
  assert.equal(await textOf(other, 9), '9')
  assert.equal(await textOf(other, 5), '5')
  // All threads are busy: having read on, the listing has to wait until it knows which files there are.
  const busy = Array.from({ length: 4 }, () => promisify(pbkdf2)('a', 'b', 60_000, 64, 'sha512'))
  const first = listing.next()
  // Its record is appended at once.
  const deleting = other.delete([5, 6, 7, 8])
  await Promise.resolve()
  fs.unlinkSync(pathOf(root, 2))
  await Promise.all([first, deleting, ...busy])
  for await (const _ of listing) void _
  await mine.delete([1])
  assert.equal(await textOf(journalIn(root, { limits }), 2), '2')
})

test('files that came while it was looked which are there are not forgotten', async () => {
  const root = newRoot()
  const mine = journalIn(root, { limits: untilOtherwise })
  await put(mine, 1, 2, 3)
  const bring = await further(root, (other) => put(other, 4, 5, 6, 7, 8, 9))
  const listing = mine.list(-1)
  const first = listing.next()
  // The folder is being read on another thread, and the event loop is held up.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  bring([2, 3])
  mine.news()
  await first
  for await (const _ of listing) void _
  assert.equal(await mine.putIfAbsent(5, []), 'exists')
  assert.equal(await textOf(mine, 5), '5')
})

test('a file that was there and has been removed does not count when it is made anew', async () => {
  const root = newRoot()
  let whileMaking = () => {}
  const random: Random = Object.create(systemRandom, {
    hex: {
      value(bytes: number) {
        whileMaking()
        return systemRandom.hex(bytes)
      },
    },
  })
  const mine = journalIn(root, { limits: untilOtherwise, random })
  await put(mine, 1, 2, 3)
  const bring = await further(root, async (other) => {
    await put(other, 4, 5, 6, 7, 8, 9)
    await other.delete([5, 6, 7, 8])
  })
  // The first file has ended; before this process has made the second, that has come and gone.
  bring([])
  whileMaking = () => {
    whileMaking = () => {}
    bring([3])
  }
  assert.equal(await mine.putIfAbsent(9, [Buffer.from('other')]), 'exists')
  assert.equal(await textOf(mine, 9), '9')
  assert.equal(fs.existsSync(pathOf(root, 2)), false)
})

test('objects of more files can be asked for at once than are in memory', async () => {
  const root = newRoot()
  const writer = journalIn(root, { limits: limitsOf(2) })
  const numbers = Array.from({ length: 300 }, (_, index) => index + 1)
  await put(writer, ...numbers)
  await writer.close()
  const reader = journalIn(root)
  await reader.get(300)
  const found = await Promise.all(numbers.map((number) => textOf(reader, number)))
  assert.deepEqual(found, numbers.map(String))
})

test('what was deleted in a file before this process came to it is gone', async () => {
  const root = newRoot()
  const [mine, other] = [journalIn(root, { limits }), journalIn(root, { limits })]
  await put(other, 1)
  assert.equal(await textOf(mine, 1), '1')
  await put(other, 2, 3, 4, 5, 6)
  await other.delete([5])
  assert.deepEqual(await numbersIn(mine), [1, 2, 3, 4, 6])
  assert.equal(await textOf(mine, 5), undefined)
})

test('after it could not be opened for a while a journal has each file once', async () => {
  const root = newRoot()
  const writer = journalIn(root, { limits })
  await put(writer, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  await writer.close()
  const mine = journalIn(root, { limits })
  const whole = fs.readFileSync(pathOf(root, 3))
  fs.writeFileSync(pathOf(root, 3), 'x')
  await assert.rejects(mine.get(1))
  await assert.rejects(mine.get(1))
  fs.writeFileSync(pathOf(root, 3), whole)
  await mine.delete([1])
  assert.deepEqual(await numbersIn(mine), [2, 3, 4, 5, 6, 7, 8, 9])
})

/** A process with as many files in memory as may be, whose last file another one ends while it is being flushed. */
async function flushedSlowly() {
  const root = newRoot()
  const other = journalIn(root, { limits: limitsOf(2) })
  // The last of 101 files has one object.
  await put(other, ...Array.from({ length: 201 }, (_, index) => index + 1))
  const flushes = new Flushes()
  const flush = flushes.flush.bind(flushes)
  let isHeld = false
  let release = () => {}
  flushes.flush = (path, work) =>
    flush(path, async () => {
      await work()
      if (isHeld && path.endsWith('.journal'))
        await new Promise<void>((resolve) => {
          release = resolve
        })
    })
  const mine = journalIn(root, { isDurable: true, limits: untilOtherwise, flushes })
  for (let number = 1; number <= 140; number += 2) await mine.get(number)
  return {
    mine,
    hold() {
      isHeld = true
    },
    async goOn() {
      await put(other, 250, 251, 252)
      mine.news()
      await systemClock.sleep(20)
      // Another file takes its place in memory.
      assert.equal(await textOf(mine, 199), '199')
    },
    letGo() {
      isHeld = false
      release()
    },
  }
}

test('a file that was the last is read by who waited for its flush, whatever is in memory by then', async () => {
  const { mine, hold, goOn, letGo } = await flushedSlowly()
  hold()
  const read = textOf(mine, 201)
  await systemClock.sleep(5)
  await goOn()
  letGo()
  assert.equal(await read, '201')
})

test('who waited for a flush of the last file is told that he has created something, whatever is in memory by then', async () => {
  const { mine, hold, goOn, letGo } = await flushedSlowly()
  hold()
  const read = textOf(mine, 201)
  await systemClock.sleep(5)
  // It waits for the next flush.
  const created = mine.putIfAbsent(240, [Buffer.from('240')])
  await systemClock.sleep(5)
  await goOn()
  letGo()
  assert.equal(await created, 'created')
  assert.equal(await read, '201')
})
