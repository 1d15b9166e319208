import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from './buffer-pool.js'
import { PinnedMemory } from './pinned-memory.js'

const large = 100_000

test('memory is used again once the last of those who pinned it has let it go, by any view of it', () => {
  const freed: Buffer[] = []
  const memory = new PinnedMemory(new BufferPool(2 ** 20), { whenFree: (bytes) => freed.push(bytes) })
  const bytes = memory.take(large)
  assert.equal(bytes.length, large)
  memory.pin(bytes.subarray(10, 20))
  memory.pin(bytes.subarray(30))
  memory.unpin(bytes)
  memory.unpin(bytes.subarray(40, 41))
  assert.equal(memory.idleBytes, 0)
  memory.unpin(bytes.subarray(10, 20))
  assert.ok(memory.idleBytes >= large)
  assert.equal(freed.length, 1)
  assert.equal(freed[0]?.buffer, bytes.buffer)
  assert.equal(memory.take(large).buffer, bytes.buffer)
})

test('what nobody has pinned is none of its: small buffers, those of others, and what was let go already', () => {
  const memory = new PinnedMemory(new BufferPool(2 ** 20))
  const gone = memory.take(large)
  memory.unpin(gone)
  const { idleBytes } = memory
  for (const bytes of [gone, memory.take(10), Buffer.alloc(large)]) {
    memory.pin(bytes)
    memory.unpin(bytes)
    memory.unpin(bytes)
  }
  assert.equal(memory.idleBytes, idleBytes)
})
