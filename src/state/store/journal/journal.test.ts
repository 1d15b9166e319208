import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { after, before, beforeEach, describe, test } from 'node:test'
import { journalIn, limitsOf, numbersIn, textOf } from '../../../../tests/support/journals.js'
import { systemClock } from '../../../base/clock.js'
import { Flushes } from '../flushes.js'
import { inlineBytesMax, type Journal } from './journal.js'

const base = fs.mkdtempSync(`${tmpdir()}/heraclitus-journal-`)
after(() => fs.rmSync(base, { recursive: true }))

const newRoot = () => fs.mkdtempSync(`${base}/`)
const filesOf = (root: string) => fs.readdirSync(`${root}/journal/ledger/0`).filter((name) => name.endsWith('.journal'))
const largeOf = (root: string) => fs.readdirSync(`${root}/journal/ledger/0/large`)
const small = limitsOf(10)

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

for (const isDurable of [false, true])
  describe(`a journal ${isDurable ? 'that is flushed' : 'that is not flushed'}`, () => {
    let root: string
    let mine: Journal
    let other: Journal
    before(() => {
      root = newRoot()
      mine = journalIn(root, { isDurable, limits: small })
      other = journalIn(root, { isDurable, limits: small })
    })
    after(async () => {
      await mine.close()
      await other.close()
    })

    test('there is nothing in it at first, and nothing is made by asking', async () => {
      assert.equal(await mine.get(1), undefined)
      assert.deepEqual(await numbersIn(mine), [])
      await mine.delete([1, 2])
      assert.equal(fs.existsSync(`${root}/journal`), false)
    })

    test('of several puts of a number the first counts, and all see it', async () => {
      assert.equal(await mine.putIfAbsent(1, [Buffer.from('fir'), Buffer.alloc(0), Buffer.from('st')]), 'created')
      assert.equal(await other.putIfAbsent(1, [Buffer.from('second')]), 'exists')
      assert.equal(await mine.putIfAbsent(1, [Buffer.from('third')]), 'exists')
      assert.equal(await textOf(mine, 1), 'first')
      assert.equal(await textOf(other, 1), 'first')
      assert.deepEqual(await other.get(1, { position: 1, length: 3 }), { bytes: Buffer.from('irs'), size: 5 })
      assert.deepEqual(await other.get(1, { position: 4, length: 30 }), { bytes: Buffer.from('t'), size: 5 })
      assert.deepEqual(await other.get(1, { position: 40, length: 3 }), { bytes: Buffer.alloc(0), size: 5 })
    })

    test('an object may be empty, or of many pieces, or too large for a record', async () => {
      const large = randomBytes(3 * inlineBytesMax + 7)
      const bodies = [
        Buffer.alloc(0),
        randomBytes(5_000),
        randomBytes(inlineBytesMax),
        large.subarray(0, inlineBytesMax + 1),
        large,
      ]
      for (const [index, body] of bodies.entries()) {
        const pieces = Array.from({ length: 2_000 }, (_, piece) =>
          body.subarray((body.length * piece) / 2_000, (body.length * (piece + 1)) / 2_000),
        )
        assert.equal(await mine.putIfAbsent(index + 2, pieces), 'created')
        for (const journal of [mine, other]) {
          const found = await journal.get(index + 2)
          assert.equal(found?.size, body.length)
          assert.ok(found.bytes.equals(body))
        }
        if (body.length > 2_000)
          assert.ok(
            (await other.get(index + 2, { position: 1_000, length: 900 }))?.bytes.equals(body.subarray(1_000, 1_900)),
          )
      }
    })

    test('numbers may come in any order, and over several files they are listed in theirs', async () => {
      const numbers = [...upTo(60).slice(6)].sort((a, b) => ((a * 7) % 11) - ((b * 7) % 11) || b - a)
      for (const [index, number] of numbers.entries())
        await (index % 2 === 0 ? mine : other).putIfAbsent(number, [Buffer.from(String(number))])
      assert.deepEqual(await numbersIn(mine), upTo(60))
      assert.deepEqual(await numbersIn(other, 20), upTo(60).slice(20))
      assert.ok(filesOf(root).length >= 5, `${filesOf(root).length} files`)
      for (const number of numbers) assert.equal(await textOf(other, number), String(number))
    })

    test('who comes later finds all that there is, and goes on', async () => {
      const third = journalIn(root, { isDurable, limits: small })
      assert.equal(await third.putIfAbsent(60, []), 'exists')
      assert.equal(await third.putIfAbsent(61, [Buffer.from('61')]), 'created')
      assert.deepEqual(await numbersIn(third), upTo(61))
      assert.equal(await textOf(mine, 61), '61')
      await third.close()
    })

    test('what is deleted is gone for all, and its number stays taken', async () => {
      await other.delete([1, 3, 61, 999])
      for (const journal of [other, mine]) {
        assert.deepEqual(
          await numbersIn(journal),
          upTo(60).filter((number) => number !== 1 && number !== 3),
        )
        assert.equal(await journal.get(1), undefined)
        assert.equal(await journal.putIfAbsent(3, [Buffer.from('again')]), 'exists')
      }
    })

    test('a file goes with the last of its objects, and what they had elsewhere with it', async () => {
      assert.equal(largeOf(root).length, 1)
      const [first, ...rest] = filesOf(root)
      // Half by each of the two.
      await mine.delete(upTo(60).filter((number) => number % 2 === 0))
      await other.delete(upTo(60).filter((number) => number % 2 === 1))
      assert.deepEqual(await numbersIn(mine), [])
      assert.equal(await mine.putIfAbsent(62, [Buffer.from('62')]), 'created')
      assert.equal(await textOf(other, 62), '62')
      await other.delete([])
      assert.ok(!filesOf(root).includes(first ?? ''), `${filesOf(root)} of ${first},${rest}`)
      assert.ok(filesOf(root).length <= 3, `${filesOf(root)}`)
      assert.deepEqual(largeOf(root), [])
      assert.deepEqual(await numbersIn(mine), [62])
    })

    test('who starts on what is left knows which numbers are taken', async () => {
      const third = journalIn(root, { isDurable, limits: small })
      for (const number of [1, 30, 61, 62]) assert.equal(await third.putIfAbsent(number, []), 'exists')
      assert.equal(await third.putIfAbsent(63, []), 'created')
      await third.close()
    })

    test('nothing is left where files are made', () => assert.deepEqual(fs.readdirSync(`${root}/tmp`), []))
  })

describe('journals', () => {
  let root: string
  beforeEach(() => {
    root = newRoot()
  })

  test('of many who put the same numbers at once exactly one creates each', async () => {
    const journals = upTo(4).map(() => journalIn(root, { limits: small }))
    const created = new Map<number, number>()
    await Promise.all(
      journals.map(async (journal, name) => {
        for (const number of upTo(100)) {
          const body = Buffer.alloc(number % 10 === 0 ? inlineBytesMax + 1 : 10, name)
          if ((await journal.putIfAbsent(number, [body])) === 'created') {
            assert.ok(!created.has(number))
            created.set(number, name)
          }
        }
      }),
    )
    assert.equal(created.size, 100)
    for (const journal of journals)
      for (const [number, name] of created) assert.equal((await journal.get(number))?.bytes[5], name)
    for (const journal of journals) await journal.close()
  })

  test('on a slow file system calls go through the thread pool, with the same results', async () => {
    let now = 0
    const clock = { ...systemClock, monotonic: () => (now += 1_000) }
    const [mine, other] = [journalIn(root, { clock, limits: small }), journalIn(root, { clock, limits: small })]
    await Promise.all(
      upTo(50).map(async (number) => {
        const bodies = [Buffer.alloc(1_000, 'm'), Buffer.alloc(number % 7 === 0 ? inlineBytesMax * 5 : 500, 'o')]
        const outcomes = await Promise.all([
          mine.putIfAbsent(number, [bodies[0] as Buffer]),
          other.putIfAbsent(number, [bodies[1] as Buffer]),
        ])
        assert.ok(outcomes.includes('created') && outcomes.includes('exists'))
        const winner = outcomes.indexOf('created')
        for (const journal of [mine, other])
          assert.deepEqual((await journal.get(number))?.bytes, bodies[winner], String(number))
      }),
    )
    assert.deepEqual(await numbersIn(mine), upTo(50))
    await mine.close()
    await other.close()
  })

  test('what a process left half-written when it was killed is passed over', async () => {
    const mine = journalIn(root)
    await mine.putIfAbsent(1, [Buffer.from('one')])
    const path = `${root}/journal/ledger/0/${filesOf(root)[0]}`
    const whole = fs.readFileSync(path)
    await mine.putIfAbsent(2, [Buffer.from('two')])
    const record = fs.readFileSync(path).subarray(whole.length)
    for (const length of [1, 20, record.length - 1]) {
      fs.appendFileSync(path, record.subarray(0, length))
      const other = journalIn(root)
      assert.equal(await textOf(other, 2), 'two')
      assert.equal(await mine.putIfAbsent(2 + length, [Buffer.from(`${length}`)]), 'created')
      assert.equal(await textOf(other, 2 + length), `${length}`)
      assert.deepEqual(await numbersIn(other), await numbersIn(mine))
      await other.close()
    }
    await mine.close()
  })

  /** Changes a byte of the object, in the record of the journal's only file that holds it. */
  function damage(object: string): void {
    const path = `${root}/journal/ledger/0/${filesOf(root)[0]}`
    const bytes = fs.readFileSync(path)
    const at = bytes.lastIndexOf(object)
    assert.ok(at > 0)
    bytes[at] = (bytes[at] as number) ^ 1
    fs.writeFileSync(path, bytes)
  }

  test('an object that is not what was written is not given, and its number stays taken', async () => {
    const mine = journalIn(root, { isDurable: true })
    for (const name of ['one', 'two', 'three']) await mine.putIfAbsent(name.length * 10 + 1, [Buffer.from(`+${name}`)])
    for (const [index, name] of ['four', 'five'].entries())
      await mine.putIfAbsent(100 + index, [Buffer.from(`+${name}`)])
    await mine.close()
    damage('+one')
    const other = journalIn(root, { isDurable: true })
    await assert.rejects(other.get(31), { name: 'CorruptObjectError' })
    assert.equal(await other.putIfAbsent(31, []), 'exists')
    assert.equal(await textOf(other, 101), '+five')
    await other.close()
  })

  test('what was being written when the machine went down, and is damaged, never was', async () => {
    const mine = journalIn(root, { isDurable: true })
    await mine.putIfAbsent(1, [Buffer.from('+one')])
    await mine.putIfAbsent(2, [Buffer.from('+two')])
    await mine.close()
    damage('+two')
    // Somebody who only looks changes nothing.
    const reader = journalIn(root, { isReadOnly: true })
    await assert.rejects(reader.get(2), { name: 'CorruptObjectError' })
    await reader.close()
    const other = journalIn(root, { isDurable: true })
    assert.equal(await textOf(other, 1), '+one')
    assert.equal(await textOf(other, 2), undefined)
    assert.equal(await other.putIfAbsent(2, [Buffer.from('again')]), 'created')
    await other.close()
    const third = journalIn(root, { isDurable: true })
    assert.equal(await textOf(third, 2), 'again')
    await third.close()
  })

  test('without flushes nobody knows who was told of what comes behind the damage: it stays', async () => {
    const mine = journalIn(root)
    for (const number of [1, 2, 3]) await mine.putIfAbsent(number, [Buffer.from(`+${number}+`)])
    await mine.close()
    damage('+2+')
    const other = journalIn(root)
    await assert.rejects(other.get(2), { name: 'CorruptObjectError' })
    assert.equal(await other.putIfAbsent(2, []), 'exists')
    await other.close()
  })

  test('a file that is no journal is refused', async () => {
    fs.mkdirSync(`${root}/journal/ledger/0`, { recursive: true })
    fs.writeFileSync(`${root}/journal/ledger/0/0000000001.journal`, 'something else')
    const mine = journalIn(root)
    await assert.rejects(mine.get(1), { name: 'CorruptObjectError' })
    await assert.rejects(mine.putIfAbsent(1, []), { name: 'CorruptObjectError' })
    await mine.close()
  })

  test('what others wrote is given to nobody before it is on the disk', async () => {
    const flushed: string[] = []
    const flushes = new Flushes()
    const flush = flushes.flush.bind(flushes)
    flushes.flush = (path, work) => {
      if (path.endsWith('.journal')) flushed.push(path)
      return flush(path, work)
    }
    const writer = journalIn(root)
    await writer.putIfAbsent(1, [Buffer.from('one')])
    const reader = journalIn(root, { isDurable: true, flushes })
    assert.equal(await textOf(reader, 1), 'one')
    assert.equal(flushed.length, 1)
    // Once is enough, until there is more.
    assert.equal(await textOf(reader, 1), 'one')
    assert.equal(flushed.length, 1)
    await writer.putIfAbsent(2, [Buffer.from('two')])
    // Who only learns that it is there need not wait for that.
    assert.equal(await reader.putIfAbsent(2, []), 'exists')
    assert.equal(flushed.length, 1)
    assert.equal(await textOf(reader, 2), 'two')
    assert.equal(flushed.length, 2)
    // But what is put behind it is not there without it.
    await writer.putIfAbsent(3, [Buffer.from('three')])
    assert.equal(await reader.putIfAbsent(3, []), 'exists')
    assert.equal(await reader.putIfAbsent(4, [Buffer.from('four')]), 'created')
    assert.equal(flushed.length, 3)
    assert.equal(await textOf(reader, 3), 'three')
    assert.equal(flushed.length, 3)
    await writer.close()
    await reader.close()
  })

  test('a flush that fails is for good, and nothing is said to be stored', async () => {
    const flushes = new Flushes()
    const mine = journalIn(root, { isDurable: true, flushes })
    await mine.putIfAbsent(1, [])
    flushes
      .flush('x', () => Promise.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { syscall: 'fdatasync' })))
      .catch(() => undefined)
    await assert.rejects(mine.putIfAbsent(2, []), { name: 'StoreError', retry: false })
    await assert.rejects(mine.putIfAbsent(1, []), { name: 'StoreError', retry: false })
    await mine.close()
  })

  test('news is what others took, once', async () => {
    const [mine, other] = [journalIn(root, { limits: small }), journalIn(root, { limits: small })]
    await mine.get(1)
    assert.equal(mine.news(), undefined)
    for (const number of upTo(25)) {
      await other.putIfAbsent(number, [])
      let news = mine.news()
      for (let turn = 0; news === undefined && turn < 100; turn++) {
        await systemClock.sleep(1)
        news = mine.news()
      }
      assert.equal(news, number)
      assert.equal(mine.news(), undefined)
    }
    await mine.putIfAbsent(26, [])
    assert.equal(mine.news(), undefined)
    await mine.close()
    await other.close()
  })

  test('of many files few are in memory, and all can be read', async () => {
    const mine = journalIn(root, { limits: { ...small, objectsMax: 2 } })
    for (const number of upTo(400)) await mine.putIfAbsent(number, [Buffer.from(String(number))])
    const descriptors = () =>
      fs.readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(root)
        } catch {
          return false
        }
      }).length
    for (const number of [...upTo(400), ...upTo(400).reverse()])
      assert.equal(await textOf(mine, number), String(number))
    assert.deepEqual(await numbersIn(mine), upTo(400))
    if (process.platform === 'linux') assert.ok(descriptors() <= 66, `${descriptors()} descriptors`)
    await mine.close()
    if (process.platform === 'linux') assert.equal(descriptors(), 0)
  })

  test('files of bodies that no journal knows go at a start, unless they are young', async () => {
    const mine = journalIn(root, { limits: small })
    await mine.putIfAbsent(1, [Buffer.alloc(inlineBytesMax + 1)])
    await mine.close()
    fs.writeFileSync(`${root}/journal/ledger/0/large/0-abandoned`, '')
    await journalIn(root).close()
    assert.equal(largeOf(root).length, 2)
    const young = journalIn(root)
    await young.get(1)
    await young.close()
    assert.equal(largeOf(root).length, 2)
    const later = journalIn(root, { clock: { ...systemClock, now: () => Date.now() + 3_700_000 } })
    assert.equal((await later.get(1))?.size, inlineBytesMax + 1)
    await later.close()
    assert.equal(largeOf(root).length, 1)
  })
})
