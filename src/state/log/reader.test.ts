import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { BufferPool } from '../../base/buffer-pool.js'
import { type Clock, systemClock } from '../../base/clock.js'
import { PinnedMemory } from '../../base/pinned-memory.js'
import { type Random, seededRandom } from '../../base/random.js'
import { baseOffsetOf, batchesIn, lastOffsetOf } from '../../protocol/records/batch.js'
import { encodeBatch } from '../../protocol/records/record.js'
import { objectKey } from '../ledger/keys.js'
import type { ObjectStore } from '../store/object-store.js'
import { PartitionLog } from '../views/partition-log.js'
import { LogBytes } from './log-bytes.js'
import { AnswerRead, PartitionRead, readBatches } from './reader.js'

const topicId = '0'.repeat(32)
/** What stands where no batch of the partition is. */
const noise = 0xee

/** A batch as a producer sends it: its offset is not filled in. */
function batchOf(random: Random, bytes: number): Buffer {
  const count = 1 + Math.floor(random.next() * 3)
  return encodeBatch({
    records: Array.from({ length: count }, (_, i) => ({
      timestampMs: i,
      key: null,
      value: Buffer.alloc(Math.ceil(bytes / count), Math.floor(random.next() * 256)),
      headers: [],
    })),
  })
}

/** A partition's log in entries and segments, and all batches in it as a reader should get them. */
function logOf(random: Random, objects: number, batchBytes: () => number) {
  const log = new PartitionLog(topicId, 0)
  const stored = new Map<string, Buffer>()
  const batches: Buffer[] = []
  const kept: { number: number; position: number; pieces: Buffer[] }[] = []
  for (let number = 1; number <= objects; number++) {
    const isSegment = number <= objects / 3
    const ref = { writer: isSegment ? -1 : 0, number }
    const before = Buffer.alloc(Math.floor(random.next() * 300_000), noise)
    const pieces: Buffer[] = []
    const baseOffset = log.endOffset
    for (let i = 0; i <= random.next() * 6; i++) {
      const batch = batchOf(random, batchBytes())
      const placed = Buffer.from(batch)
      placed.writeBigInt64BE(BigInt(log.endOffset), 0)
      placed.writeInt32BE(0, 12)
      batches.push(placed)
      pieces.push(isSegment ? placed : batch)
      log.endOffset = lastOffsetOf(placed) + 1
    }
    const body = Buffer.concat(pieces)
    const range = { baseOffset, endOffset: log.endOffset, position: before.length, length: body.length }
    log.ranges.append({ ...ref, ...range, maxTimestampMs: 1 })
    stored.set(objectKey(0, topicId, 0, ref), Buffer.concat([before, body, Buffer.alloc(1_000, noise)]))
    if (!isSegment) kept.push({ number, position: before.length, pieces })
  }
  return { log, stored, batches, kept }
}

/** A store of which some objects are at hand, and what was asked of it at once. */
function storeOf(stored: ReadonlyMap<string, Buffer>, isAtHand: (key: string) => boolean) {
  let now = 0
  const read: NonNullable<ObjectStore['getNow']> = (key, { position, length }, allocate) => {
    const object = stored.get(key)
    if (object === undefined) return undefined
    const bytes = allocate(Math.max(0, Math.min(object.length, position + length) - position))
    object.copy(bytes, 0, position, position + bytes.length)
    return { bytes, size: object.length }
  }
  const store = {
    url: 'test:',
    kind: 'local',
    get: async (key, range, allocate) => read(key, range ?? assert.fail(), allocate ?? assert.fail()),
    getNow(key, range, allocate) {
      if (!isAtHand(key)) return undefined
      now++
      return read(key, range, allocate)
    },
  } as Pick<ObjectStore, 'url' | 'kind' | 'get' | 'getNow'> as ObjectStore
  return { store, readsNow: () => now }
}

function bytesOf(store: ObjectStore, cacheBytes: number, pins?: PinnedMemory, clock: Clock = systemClock): LogBytes {
  const observer = { lookedUp() {} }
  return new LogBytes({
    tail: store,
    backfill: store,
    ledger: 0,
    cacheBytes,
    clock,
    observer,
    ...(pins && { pins }),
  })
}

const sizes = [() => 100, () => 1_500, () => 12_000, () => 90_000]

for (const atHand of ['nothing', 'much', 'all'] as const)
  test(`whatever lies where, a reader gets whole batches with their offsets (at hand: ${atHand})`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed)
      const size = sizes[seed % sizes.length] ?? assert.fail()
      const { log, stored, batches, kept } = logOf(random, 9, () => size() * (0.2 + random.next()))
      const isAtHand = (key: string) =>
        atHand === 'all' || (atHand === 'much' && key.charCodeAt(key.length - 1) % 3 > 0)
      const bytes = bytesOf(storeOf(stored, isAtHand).store, seed % 2 === 0 ? 4e6 : 200_000)
      const originals: Buffer[] = []
      for (const { number, position, pieces } of random.next() < 0.5 ? kept : []) {
        bytes.keep({ writer: 0, number }, position, pieces)
        originals.push(...pieces.map((piece) => Buffer.from(piece)))
      }
      for (let offset = 0; offset < log.endOffset; ) {
        const bytesMax = Math.floor(random.next() * 8 * size()) + 1
        const first = batches.findIndex((batch) => lastOffsetOf(batch) >= offset)
        const expected: Buffer[] = []
        let length = 0
        for (const batch of batches.slice(first)) {
          if (expected.length > 0 && length + batch.length > bytesMax) break
          expected.push(batch)
          length += batch.length
        }
        const result = await readBatches(bytes, log, offset, { bytesMax })
        assert.equal(result.bytes, length, `seed ${seed}, offset ${offset}`)
        assert.ok(Buffer.concat(result.batches).equals(Buffer.concat(expected)), `seed ${seed}, offset ${offset}`)
        if (random.next() < 0.9) result.release()
        offset = lastOffsetOf(expected.at(-1) ?? assert.fail()) + 1
      }
      const still = kept.flatMap(({ pieces }) => pieces)
      for (const [i, original] of originals.entries()) assert.ok(original.equals(still[i] as Buffer), 'unchanged')
    }
  })

test('a first batch that is too large is given unless the reader is strict', async () => {
  const { log, stored, batches } = logOf(seededRandom(3), 4, () => 20_000)
  const bytes = bytesOf(storeOf(stored, () => true).store, 4e6)
  const [first] = batches
  assert.equal((await readBatches(bytes, log, 0, { bytesMax: 100 })).bytes, first?.length)
  assert.deepEqual((await readBatches(bytes, log, 0, { bytesMax: 100, strict: true })).batches, [])
})

test('what is in memory or at hand is read without a wait, all else when it is there', async () => {
  const { log, stored, kept } = logOf(seededRandom(5), 9, () => 1_000)
  const { store, readsNow } = storeOf(stored, (key) => key.endsWith('4'))
  const bytes = bytesOf(store, 4e6)
  for (const { number, position, pieces } of kept.slice(-2)) bytes.keep({ writer: 0, number }, position, pieces)
  const answer = new AnswerRead(bytes, false)
  const startOf = (number: number) => log.ranges.at(number - 1).baseOffset
  const inMemory = new PartitionRead(answer, log, startOf(8), { bytesMax: 1e6 })
  assert.equal(inMemory.now(), true)
  assert.equal(readsNow(), 0)
  const atHand = new PartitionRead(answer, log, startOf(4), { bytesMax: 1 })
  assert.equal(atHand.now(), true)
  assert.equal(readsNow(), 1)
  const far = new PartitionRead(answer, log, startOf(4), { bytesMax: 1e6 })
  assert.equal(far.now(), false)
  await far.rest()
  assert.equal(far.bytes, log.ranges.bytes - [1, 2, 3].reduce((sum, i) => sum + log.ranges.lengthAt(i - 1), 0))
  assert.equal(readsNow(), 1, 'it is still in memory')
})

test('who reads much at once lets others have their turn', async () => {
  const { log, stored, batches } = logOf(seededRandom(7), 60, () => 400_000)
  const { store } = storeOf(stored, () => true)
  const bytes = bytesOf(store, 64e6)
  let turns = 0
  const countTurns = () => {
    turns++
    counting = setImmediate(countTurns)
  }
  let counting = setImmediate(countTurns)
  const answer = new AnswerRead(bytes, false)
  const reads = [0, 0].map(() => new PartitionRead(answer, log, 0, { bytesMax: 1e9 }))
  for (const read of reads) assert.equal(read.now(), false)
  await Promise.all(reads.map((read) => read.rest()))
  clearImmediate(counting)
  const total = batches.reduce((sum, { length }) => sum + length, 0)
  for (const read of reads) assert.equal(read.bytes, total)
  assert.ok(turns >= 3 && turns <= 12, `${turns} turns for ${total} bytes`)
})

test("an answer's memory is used again once it is released, and not before", async () => {
  for (const size of sizes) {
    const { log, stored, batches } = logOf(seededRandom(11), 9, size)
    // Next to nothing is kept: all that is read goes back to the pool.
    const bytes = bytesOf(storeOf(stored, (key) => key.charCodeAt(key.length - 1) % 2 > 0).store, 4)
    const whole = Buffer.concat(batches)
    const readTwice = async () => {
      const results = [
        await readBatches(bytes, log, 0, { bytesMax: 1e9 }),
        await readBatches(bytes, log, 0, { bytesMax: 1e9 }),
      ]
      for (const { batches: pieces } of results) assert.ok(Buffer.concat(pieces).equals(whole))
      for (const { release } of results) release()
      return bytes.pool.idleBytes
    }
    const idleBytes = await readTwice()
    for (let i = 0; i < 3; i++) assert.equal(await readTwice(), idleBytes)
  }
})

test('memory that others use too is held as long as a reader uses it', async () => {
  for (const [size, isHeld] of [
    [90_000, true],
    [1_000, false],
  ] as const) {
    const { log, stored, batches, kept } = logOf(seededRandom(19), 1, () => size)
    const requests = new PinnedMemory(new BufferPool(1e9), { sharedBytesMax: 0 })
    const whole = Buffer.concat(batches)
    const bytes = bytesOf(storeOf(stored, () => assert.fail('it is kept')).store, 2 * whole.length, requests)
    const keep = (number: number, position: number) => {
      const request = requests.take(whole.length)
      Buffer.concat(kept[0]?.pieces ?? []).copy(request)
      bytes.keep({ writer: 0, number }, position, [request])
      requests.unpin(request)
    }
    keep(1, kept[0]?.position ?? assert.fail())
    const { batches: pieces, release } = await readBatches(bytes, log, 0, { bytesMax: 1e9 })
    keep(2, 0)
    // Small batches have been copied, and are the reader's own.
    assert.equal(requests.idleBytes > 0, !isHeld)
    assert.ok(Buffer.concat(pieces).equals(whole))
    release()
    assert.ok(requests.idleBytes > 0)
  }
})

test('a batch cut off, or one too few, is an error', async () => {
  for (const [change, what] of [
    [{ length: -1 }, /has a size of/],
    [{ endOffset: 1 }, /end at/],
  ] as const) {
    const { log, stored } = logOf(seededRandom(13), 1, () => 1_000)
    const range = log.ranges.at(0)
    const wrong = {
      ...range,
      length: range.length + ('length' in change ? change.length : 0),
      endOffset: range.endOffset + ('endOffset' in change ? change.endOffset : 0),
    }
    log.ranges.replace(0, 1, [wrong])
    log.endOffset = wrong.endOffset
    for (const isAtHand of [true, false]) {
      const bytes = bytesOf(storeOf(stored, () => isAtHand).store, 1e6)
      await assert.rejects(readBatches(bytes, log, 0, { bytesMax: 1e6 }), what)
    }
  }
})

test('the bytes of many small batches are few pieces', async () => {
  const { log, stored, batches } = logOf(seededRandom(17), 60, () => 300)
  const bytes = bytesOf(storeOf(stored, () => true).store, 4e6)
  const { batches: pieces } = await readBatches(bytes, log, 0, { bytesMax: 1e6 })
  assert.deepEqual(
    [...batchesIn(Buffer.concat(pieces))].map((batch) => baseOffsetOf(batch)),
    batches.map((batch) => baseOffsetOf(batch)),
  )
  assert.ok(pieces.length <= 8, `${pieces.length} pieces of ${batches.length} batches`)
})

test('who reads one partition of many alone does not read the others for ever', async () => {
  const rangeBytes = 20_000
  const batch = encodeBatch({
    records: [{ timestampMs: 1, key: null, value: Buffer.alloc(rangeBytes - 100), headers: [] }],
  })
  const entries = 1_000
  const log = new PartitionLog(topicId, 0)
  for (let number = 1; number <= entries; number++) {
    const range = { baseOffset: number - 1, endOffset: number, writer: 0, number, position: 300_000 }
    log.ranges.append({ ...range, length: batch.length, maxTimestampMs: 1 })
  }
  log.endOffset = entries
  let got = 0
  const entry = Buffer.concat([Buffer.alloc(300_000), batch, Buffer.alloc(600_000)])
  const store = {
    url: 'test:',
    kind: 'local',
    getNow(_key, { position, length }, allocate) {
      const bytes = allocate(Math.min(length, entry.length - position))
      entry.copy(bytes, 0, position, position + bytes.length)
      got += bytes.length
      return { bytes, size: entry.length }
    },
  } as Partial<ObjectStore> as ObjectStore
  const bytes = bytesOf(store, 4e6)
  for (let offset = 0; offset < entries; offset++) {
    const { batches, release } = await readBatches(bytes, log, offset, { bytesMax: 1 })
    assert.equal(baseOffsetOf(batches[0] ?? assert.fail()), offset)
    release()
    if (offset === entries / 2) got = 0
  }
  assert.ok(got < 1.6 * (entries / 2) * rangeBytes, `${got} bytes read`)
})

/** A store that lends all it has, and spoils what it gets back; how much is lent. */
function lendingStore(stored: ReadonlyMap<string, Buffer>) {
  const { store } = storeOf(stored, () => true)
  const lent = { now: 0, ever: 0 }
  const getNow: NonNullable<ObjectStore['getNow']> = (key, range, allocate, mayLend) => {
    const object = store.getNow?.(key, range, allocate)
    if (object === undefined || !mayLend) return object
    lent.now++
    lent.ever++
    const release = () => {
      lent.now--
      object.bytes.fill(0xdd)
    }
    return { ...object, release }
  }
  return { store: { ...store, getNow }, lent }
}

test('what is lent is used until the answer is released, and is all given back', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed)
    const size = sizes[seed % sizes.length] ?? assert.fail()
    const { log, stored, batches } = logOf(random, 9, () => size() * (0.2 + random.next()))
    const { store, lent } = lendingStore(stored)
    const clock = new ManualClock()
    const bytes = bytesOf(store, seed % 2 === 0 ? 4e6 : 4, undefined, clock)
    const open: { answer: AnswerRead; read: PartitionRead; expected: Buffer }[] = []
    for (let i = 0; i < 30; i++) {
      const first = Math.floor(random.next() * batches.length)
      const offset = baseOffsetOf(batches[first] ?? assert.fail())
      const answer = new AnswerRead(bytes, random.next() < 0.7)
      const read = new PartitionRead(answer, log, offset, { bytesMax: 1 + random.next() * 8 * size() })
      if (!read.now()) await read.rest()
      const expected = Buffer.concat(batches.slice(first)).subarray(0, read.bytes)
      open.push({ answer, read, expected })
      if (random.next() < 0.3) await clock.advance(1_000)
      if (random.next() < 0.6) open.splice(Math.floor(random.next() * open.length), 1)[0]?.answer.memory.release()
      for (const { read, expected } of open)
        assert.ok(Buffer.concat(read.batches).equals(expected), `seed ${seed}, read ${i}`)
    }
    for (const { answer } of open) answer.memory.release()
    await clock.advance(1_000)
    assert.equal(lent.now, 0)
    assert.ok(lent.ever > 0)
  }
})

test('what is lent is given back also if it is not what it should be', async () => {
  const { log, stored } = logOf(seededRandom(9), 9, () => 30_000)
  for (const [key, object] of stored) stored.set(key, object.fill(noise))
  const { store, lent } = lendingStore(stored)
  const clock = new ManualClock()
  const bytes = bytesOf(store, 4e6, undefined, clock)
  for (const range of [log.ranges.at(0), log.ranges.at(5)]) {
    const answer = new AnswerRead(bytes, true)
    assert.throws(() => new PartitionRead(answer, log, range.baseOffset, { bytesMax: 1e6 }).now(), {
      name: 'CorruptObjectError',
    })
    answer.memory.release()
  }
  // Shorter than it should be.
  for (const [key, object] of stored) stored.set(key, object.subarray(0, object.length / 2))
  assert.throws(() =>
    new PartitionRead(new AnswerRead(bytes, true), log, log.ranges.at(7).baseOffset, { bytesMax: 1e6 }).now(),
  )
  assert.ok(lent.ever > 0)
  await clock.advance(1_000)
  assert.equal(lent.now, 0)
})
