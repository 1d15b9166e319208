import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { BufferPool } from '../../base/buffer-pool.js'
import { systemClock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { objectKey } from '../ledger/keys.js'
import { memoryStore } from '../store/memory.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'
import type { Block } from './block.js'
import { type BlockRead, Blocks, type BlocksOptions } from './blocks.js'
import { ReadTurns } from './read-turns.js'

const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i))
const of = { topicId: '0'.repeat(32), partition: 0 }
const object = { writer: 0, number: 1 }
const key = objectKey(0, of.topicId, of.partition, object)
const turns = new ReadTurns(systemClock)
/** Blocks of a store, with room for all of it unless there is said to be less. */
function blocksOf(store: ObjectStore, limits: Partial<BlocksOptions> = {}): Blocks {
  const pool = new BufferPool(2 ** 20)
  return new Blocks({
    turns,
    clock: systemClock,
    pool,
    store,
    ledger: 0,
    bytesMax: 1_000,
    aheadBytesMax: 1_000,
    ...limits,
  })
}

/** A store that holds an object of a hundred bytes, and the ranges that were asked of it. */
async function counted(): Promise<{ store: ObjectStore; ranges: (ByteRange | undefined)[] }> {
  const store = memoryStore()
  await store.putIfAbsent(key, [bytes])
  const ranges: (ByteRange | undefined)[] = []
  const get: ObjectStore['get'] = (key, range) => {
    ranges.push(range)
    return store.get(key, range)
  }
  return { store: { ...store, get }, ranges }
}

/** Reads and is done with it at once. */
async function readOnce(blocks: Blocks, range: ByteRange, alignment?: number, number = 1): Promise<Buffer> {
  const read = blocks.read(of, { ...object, number, ...range }, { alignment })
  assert.ok(read)
  try {
    await read.ready()
    return bytesOf(read, range)
  } finally {
    read.leave()
  }
}

/** The range's bytes, of the blocks that have them. */
function bytesOf({ blocks }: BlockRead, { position, length }: ByteRange): Buffer {
  const start = position - (blocks[0]?.position ?? 0)
  return Buffer.concat(blocks.map((block) => block.bytes)).subarray(start, start + length)
}

for (const alignment of [undefined, 16, 7])
  test(`any range reads as it stands in the object (blocks of ${alignment})`, async () => {
    const { store } = await counted()
    const blocks = blocksOf(store, { bytesMax: 60, aheadBytesMax: 60 })
    for (let position = 0; position < 100; position += 3)
      for (let length = 1; position + length <= 100; length += 11) {
        const read = await readOnce(blocks, { position, length }, alignment)
        assert.deepEqual(read, bytes.subarray(position, position + length))
        assert.ok(blocks.bytes <= 60)
        assert.equal(blocks.heldBytes, 0)
      }
  })

test('readers of one block at a time, and one after another, cost one request', async () => {
  const { store, ranges } = await counted()
  const blocks = blocksOf(store)
  await Promise.all(Array.from({ length: 20 }, (_, i) => readOnce(blocks, { position: i, length: 10 }, 50)))
  assert.equal(blocks.has({ ...object, position: 40, length: 10 }, 50), true)
  assert.equal(blocks.has({ ...object, position: 45, length: 10 }, 50), false)
  await readOnce(blocks, { position: 45, length: 10 }, 50)
  assert.deepEqual(ranges, [
    { position: 0, length: 50 },
    { position: 50, length: 50 },
  ])
})

test('ranges side by side that are wanted together are read together', async () => {
  const { store, ranges } = await counted()
  const blocks = blocksOf(store)
  const places = [30, 10, 20, 60].map((position) => ({ position, length: 10 }))
  const read = await Promise.all(places.map((place) => readOnce(blocks, place)))
  for (const [i, { position, length }] of places.entries())
    assert.deepEqual(read[i], bytes.subarray(position, position + length))
  assert.deepEqual(ranges, [
    { position: 10, length: 30 },
    { position: 60, length: 10 },
  ])
  assert.equal(blocks.bytes, 40)
})

test('what is read ahead is bounded over all readers, what is needed is not refused', async () => {
  const { store } = await counted()
  const blocks = blocksOf(store, { bytesMax: 1_000, aheadBytesMax: 25 })
  const ahead = (position: number) => blocks.read(of, { ...object, position, length: 10 }, { isAhead: true })
  const [first, second, third] = [ahead(0), ahead(10), ahead(20)]
  assert.ok(first && second)
  assert.equal(third, undefined)
  const shared = ahead(10)
  assert.ok(shared, 'what another reader holds already takes no room')
  const needed = blocks.read(of, { ...object, position: 50, length: 10 })
  assert.ok(needed)
  assert.equal(blocks.heldBytes, 30)
  await Promise.all([first, second, shared, needed].map((read) => read.ready()))
  for (const read of [second, needed]) read.leave()
  assert.equal(blocks.heldBytes, 20)
  for (const read of [first, shared]) read.leave()
  assert.equal(blocks.heldBytes, 0)
  assert.ok(ahead(20))
})

test('an object smaller than a block takes no more room than it has bytes', async () => {
  const { store } = await counted()
  const blocks = blocksOf(store, { bytesMax: 10_000, aheadBytesMax: 1_000 })
  const whole = (isAhead: boolean) =>
    blocks.read(of, { ...object, position: 0, length: 80 }, { alignment: 900, isAhead })
  const read = whole(true) as BlockRead
  assert.equal(blocks.heldBytes, 900)
  await read.ready()
  assert.equal(blocks.heldBytes, 100)
  read.leave()
  assert.equal(blocks.bytes, 100)
})

test('bytes that the store lost are an error, not an empty answer, and are asked for again', async () => {
  const { store, ranges } = await counted()
  const blocks = blocksOf(store)
  for (let attempt = 1; attempt <= 2; attempt++)
    await assert.rejects(readOnce(blocks, { position: 0, length: 1 }, undefined, 2), CorruptObjectError)
  assert.equal(ranges.length, 2)
  assert.equal(blocks.heldBytes, 0)
})

/** A store of one object of 8 KiB, each of its bytes the number of its KiB, that reads into what it is given. */
async function ofKibibytes(): Promise<ObjectStore> {
  const store = memoryStore()
  await store.putIfAbsent(key, [Buffer.from(Array.from({ length: 8_192 }, (_, i) => i >> 10))])
  return store
}

test("a block's memory is used again once it is neither kept nor used", async () => {
  const pool = new BufferPool(2 ** 20)
  const blocks = blocksOf(await ofKibibytes(), { bytesMax: 2_048, aheadBytesMax: 8_192, pool })
  const begin = (kibibyte: number) => {
    const read = blocks.read(of, { ...object, position: kibibyte * 1_024, length: 1_024 })
    assert.ok(read)
    return read
  }
  const blockOf = async (read: BlockRead) => {
    await read.ready()
    read.leave()
    return read.blocks[0] as Block
  }
  const first = await blockOf(begin(0))
  const bytesOfFirst = first.bytes
  // It goes out of the cache, yet stays as it is.
  for (let kibibyte = 1; kibibyte < 8; kibibyte++) {
    const block = await blockOf(begin(kibibyte))
    assert.equal(block.bytes[0], kibibyte)
    block.release()
  }
  assert.ok(bytesOfFirst.every((byte) => byte === 0))
  const idleBytes = pool.idleBytes
  first.release()
  assert.equal(pool.idleBytes, idleBytes + 1_024)
  const next = await blockOf(begin(2))
  assert.equal(next.bytes.buffer, bytesOfFirst.buffer)
})

test('blocks that were read together are used again together', async () => {
  const pool = new BufferPool(2 ** 20)
  const blocks = blocksOf(await ofKibibytes(), { bytesMax: 0, aheadBytesMax: 8_192, pool })
  const reads = [0, 1].map((kibibyte) => blocks.read(of, { ...object, position: kibibyte * 1_024, length: 1_024 }))
  const [first, second] = reads
  assert.ok(first && second)
  await Promise.all([first.ready(), second.ready()])
  for (const read of [first, second]) read.leave()
  const [one, other] = [first, second].map(({ blocks: [block] }) => block as Block) as [Block, Block]
  assert.equal(one.bytes.buffer, other.bytes.buffer)
  one.release()
  assert.equal(pool.idleBytes, 0)
  other.release()
  assert.equal(pool.idleBytes, 2_048)
})

test('a block is had at once if it is here or at hand, and then by all others', async () => {
  const memory = memoryStore()
  await memory.putIfAbsent(key, [bytes])
  const asked: number[] = []
  const store: ObjectStore = {
    ...memory,
    getNow(_key, { position, length }, allocate) {
      asked.push(position)
      if (position >= 50) return undefined
      const found = allocate(length)
      bytes.copy(found, 0, position, position + length)
      return { bytes: found, size: bytes.length }
    },
  }
  const clock = new ManualClock()
  const turns = new ReadTurns(clock)
  const blocks = blocksOf(store, { bytesMax: 20, aheadBytesMax: 100, turns })
  const now = (position: number) => blocks.now(of, object, { position, length: 10 }, false)
  turns.spent(2 ** 30)
  assert.equal(now(0), undefined, 'others have their turn first')
  await clock.advance(0)
  assert.deepEqual(now(0)?.bytes, bytes.subarray(0, 10))
  turns.spent(2 ** 30)
  assert.equal(now(0)?.isHere, true, 'what is here costs nobody a turn')
  await clock.advance(0)
  assert.deepEqual(asked, [0])
  // It has to be waited for; meanwhile nobody asks for it again.
  assert.equal(now(50), undefined)
  const read = blocks.read(of, { ...object, position: 50, length: 10 })
  assert.equal(now(50), undefined)
  await read?.ready()
  assert.deepEqual(now(50)?.bytes, bytes.subarray(50, 60))
  assert.deepEqual(asked, [0, 50])
  // As much is kept as may be.
  assert.ok(now(10))
  assert.equal(blocks.bytes, 20)
  assert.equal(blocks.has({ ...object, position: 0, length: 10 }), false)
  assert.equal(blocks.heldBytes, 10, 'of a read that nobody has left')
})

test('two blocks of different lengths may begin at one place', async () => {
  const { store } = await counted()
  const blocks = blocksOf(store)
  for (const length of [10, 20, 10]) await readOnce(blocks, { position: 30, length })
  assert.equal(blocks.bytes, 10)
  assert.equal(blocks.has({ ...object, position: 30, length: 10 }), true)
  assert.equal(blocks.has({ ...object, position: 30, length: 20 }), false)
})

test('a read ahead that fails, and that nobody comes to want, is an error of nobody', async () => {
  const store: ObjectStore = { ...memoryStore(), get: () => Promise.reject(new Error('no')) }
  const blocks = blocksOf(store)
  const read = blocks.read(of, { ...object, position: 0, length: 20 }, { alignment: 10, isAhead: true })
  assert.equal(read?.blocks.length, 2)
  // A rejection that nobody handles would fail the test.
  await systemClock.sleep(5)
  read?.leave()
  assert.equal(blocks.heldBytes, 0)
})

test('what the store lends is found by who reads on, and given back a second after nobody uses it', async () => {
  const memory = memoryStore()
  await memory.putIfAbsent(key, [bytes])
  let lent = 0
  let back = 0
  const store: ObjectStore = {
    ...memory,
    getNow(_key, { position, length }, _allocate, mayLend) {
      const object = { bytes: bytes.subarray(position, position + length), size: bytes.length }
      if (!mayLend) return object
      lent++
      return { ...object, release: () => void back++ }
    },
  }
  const clock = new ManualClock()
  const blocks = blocksOf(store, { clock })
  const at = (position: number, mayBorrow = true) => blocks.now(of, object, { position, length: 10 }, mayBorrow)
  const [first, second] = [at(0), at(10)]
  assert.equal(at(0), first)
  assert.equal(lent, 2)
  first?.release()
  await clock.advance(1_000)
  assert.equal(back, 0, 'both are used')
  assert.equal(blocks.bytes, 0)
  first?.release()
  assert.equal(back, 1)
  assert.deepEqual(second?.bytes, bytes.subarray(10, 20))
  second?.release()
  assert.equal(back, 2)
  assert.notEqual(at(0), first)
  assert.equal(lent, 3)
  // Who may not release it gets something else, and leaves it to those who have it.
  const own = at(0, false)
  assert.ok(own !== undefined && !own.isLent)
  assert.equal(at(0), own)
  const read = blocks.read(of, { ...object, position: 10, length: 10 })
  await read?.ready()
  assert.deepEqual(read?.blocks[0]?.bytes, bytes.subarray(10, 20))
  assert.equal(read?.blocks[0]?.isLent, false)
  assert.equal(lent, 3)
})
