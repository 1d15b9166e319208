import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptObjectError } from '../../base/errors.js'
import { memoryStore } from '../store/memory.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'
import { Blocks } from './blocks.js'

const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i))

/** A store that holds `ledger/0/1`, and the ranges that were asked of it. */
async function counted(): Promise<{ store: ObjectStore; ranges: (ByteRange | undefined)[] }> {
  const store = memoryStore()
  await store.putIfAbsent('ledger/0/1', [bytes])
  const ranges: (ByteRange | undefined)[] = []
  const get: ObjectStore['get'] = (key, range) => {
    ranges.push(range)
    return store.get(key, range)
  }
  return { store: { ...store, get }, ranges }
}

for (const alignment of [undefined, 16, 7])
  test(`any range reads as it stands in the object (blocks of ${alignment})`, async () => {
    const { store } = await counted()
    const blocks = new Blocks({ store, alignment, bytesMax: 60 })
    for (let position = 0; position < 100; position += 3)
      for (let length = 1; position + length <= 100; length += 11) {
        const read = await blocks.read('ledger/0/1', position, length)
        assert.deepEqual(read, bytes.subarray(position, position + length))
        assert.ok(blocks.bytes <= 60)
      }
  })

test('readers of one block at a time, and one after another, cost one request', async () => {
  const { store, ranges } = await counted()
  const blocks = new Blocks({ store, alignment: 50, bytesMax: 1_000 })
  await Promise.all([blocks.read('ledger/0/1', 0, 10), blocks.read('ledger/0/1', 20, 10)])
  assert.equal(blocks.has('ledger/0/1', 40, 10), true)
  assert.equal(blocks.has('ledger/0/1', 45, 10), false)
  await blocks.read('ledger/0/1', 45, 10)
  assert.deepEqual(ranges, [
    { position: 0, length: 50 },
    { position: 50, length: 50 },
  ])
})

test('bytes that the store lost are an error, not an empty answer', async () => {
  const { store } = await counted()
  const blocks = new Blocks({ store, alignment: undefined, bytesMax: 1_000 })
  await assert.rejects(blocks.read('ledger/0/1', 95, 10), CorruptObjectError)
  await assert.rejects(blocks.read('ledger/0/2', 0, 1), CorruptObjectError)
})
