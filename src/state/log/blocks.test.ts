import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from '../../base/buffer-pool.js'
import { CorruptObjectError } from '../../base/errors.js'
import { memoryStore } from '../store/memory.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'
import { type BlockRead, Blocks } from './blocks.js'

const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i))
const object = 'ledger/0/1'
const unbounded = { bytesMax: 1_000, aheadBytesMax: 1_000 }

/** A store that holds `ledger/0/1`, and the ranges that were asked of it. */
async function counted(): Promise<{ store: ObjectStore; ranges: (ByteRange | undefined)[] }> {
  const store = memoryStore()
  await store.putIfAbsent(object, [bytes])
  const ranges: (ByteRange | undefined)[] = []
  const get: ObjectStore['get'] = (key, range) => {
    ranges.push(range)
    return store.get(key, range)
  }
  return { store: { ...store, get }, ranges }
}

/** Reads and is done with it at once. */
async function readOnce(blocks: Blocks, range: ByteRange, alignment?: number, key = object): Promise<Buffer> {
  const read = blocks.read(key, range, { alignment })
  assert.ok(read)
  try {
    return await read.bytes
  } finally {
    read.leave()
  }
}

for (const alignment of [undefined, 16, 7])
  test(`any range reads as it stands in the object (blocks of ${alignment})`, async () => {
    const { store } = await counted()
    const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, bytesMax: 60, aheadBytesMax: 60 })
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
  const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, ...unbounded })
  await Promise.all(Array.from({ length: 20 }, (_, i) => readOnce(blocks, { position: i, length: 10 }, 50)))
  assert.equal(blocks.has(object, { position: 40, length: 10 }, 50), true)
  assert.equal(blocks.has(object, { position: 45, length: 10 }, 50), false)
  await readOnce(blocks, { position: 45, length: 10 }, 50)
  assert.deepEqual(ranges, [
    { position: 0, length: 50 },
    { position: 50, length: 50 },
  ])
})

test('ranges side by side that are wanted together are read together', async () => {
  const { store, ranges } = await counted()
  const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, ...unbounded })
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
  const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, bytesMax: 1_000, aheadBytesMax: 25 })
  const ahead = (position: number) => blocks.read(object, { position, length: 10 }, { isAhead: true })
  const [first, second, third] = [ahead(0), ahead(10), ahead(20)]
  assert.ok(first && second)
  assert.equal(third, undefined)
  const shared = ahead(10)
  assert.ok(shared, 'what another reader holds already takes no room')
  const needed = blocks.read(object, { position: 50, length: 10 })
  assert.ok(needed)
  assert.equal(blocks.heldBytes, 30)
  await Promise.all([first, second, shared, needed].map((read) => read.bytes))
  for (const read of [second, needed]) read.leave()
  assert.equal(blocks.heldBytes, 20)
  for (const read of [first, shared]) read.leave()
  assert.equal(blocks.heldBytes, 0)
  assert.ok(ahead(20))
})

test('an object smaller than a block takes no more room than it has bytes', async () => {
  const { store } = await counted()
  const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, bytesMax: 10_000, aheadBytesMax: 1_000 })
  const whole = (isAhead: boolean) => blocks.read(object, { position: 0, length: 80 }, { alignment: 900, isAhead })
  const read = whole(true) as BlockRead
  assert.equal(blocks.heldBytes, 900)
  assert.equal((await read.bytes).length, 80)
  assert.equal(blocks.heldBytes, 100)
  read.leave()
  assert.equal(blocks.bytes, 100)
})

test('bytes that the store lost are an error, not an empty answer, and are asked for again', async () => {
  const { store, ranges } = await counted()
  const blocks = new Blocks({ pool: new BufferPool(2 ** 20), store, ...unbounded })
  await assert.rejects(readOnce(blocks, { position: 95, length: 10 }), CorruptObjectError)
  for (let attempt = 1; attempt <= 2; attempt++)
    await assert.rejects(readOnce(blocks, { position: 0, length: 1 }, undefined, 'ledger/0/2'), CorruptObjectError)
  assert.equal(ranges.length, 3)
  assert.equal(blocks.heldBytes, 0)
})

/** A store of one object of 8 KiB, each of its bytes the number of its KiB, that reads into what it is given. */
async function ofKibibytes(): Promise<ObjectStore> {
  const store = memoryStore()
  await store.putIfAbsent(object, [Buffer.from(Array.from({ length: 8_192 }, (_, i) => i >> 10))])
  return store
}

test("a block's memory is used again once it is neither kept nor used", async () => {
  const pool = new BufferPool(2 ** 20)
  const blocks = new Blocks({ pool, store: await ofKibibytes(), bytesMax: 2_048, aheadBytesMax: 8_192 })
  const begin = (kibibyte: number) => {
    const read = blocks.read(object, { position: kibibyte * 1_024, length: 1_024 })
    assert.ok(read)
    return read
  }
  const first = begin(0)
  const bytesOfFirst = await first.bytes
  first.leave()
  // It goes out of the cache, yet stays as it is.
  for (let kibibyte = 1; kibibyte < 8; kibibyte++) {
    const read = begin(kibibyte)
    assert.equal((await read.bytes)[0], kibibyte)
    read.leave()
    read.release()
  }
  assert.ok(bytesOfFirst.every((byte) => byte === 0))
  const idleBytes = pool.idleBytes
  first.release()
  assert.equal(pool.idleBytes, idleBytes + 1_024)
  const next = begin(2)
  assert.equal((await next.bytes).buffer, bytesOfFirst.buffer)
})

test('blocks that were read together are used again together', async () => {
  const pool = new BufferPool(2 ** 20)
  const blocks = new Blocks({ pool, store: await ofKibibytes(), bytesMax: 0, aheadBytesMax: 8_192 })
  const reads = [0, 1].map((kibibyte) => blocks.read(object, { position: kibibyte * 1_024, length: 1_024 }))
  const [first, second] = reads
  assert.ok(first && second)
  assert.equal((await first.bytes).buffer, (await second.bytes).buffer)
  for (const read of [first, second]) read.leave()
  first.release()
  assert.equal(pool.idleBytes, 0)
  second.release()
  assert.equal(pool.idleBytes, 2_048)
})
