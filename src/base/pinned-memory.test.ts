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

test('what nobody has pinned is none of its: the memory of others, and what was let go already', () => {
  const memory = new PinnedMemory(new BufferPool(2 ** 20))
  const gone = memory.take(large)
  memory.unpin(gone)
  const { idleBytes } = memory
  const other = new PinnedMemory(new BufferPool(2 ** 20))
  for (const bytes of [gone, other.take(large), Buffer.alloc(large)]) {
    memory.pin(bytes)
    memory.unpin(bytes)
    memory.unpin(bytes)
  }
  assert.equal(memory.idleBytes, idleBytes)
  assert.equal(other.idleBytes, 0)
})

test('small memory is cut from larger pieces, which go back once none of what was cut from them is used', () => {
  const freed: Buffer[] = []
  const memory = new PinnedMemory(new BufferPool(2 ** 20), { whenFree: (bytes) => freed.push(bytes) })
  const cut = [memory.take(3)]
  while (cut.at(-1)?.buffer === cut[0]?.buffer) cut.push(memory.take(1_000))
  const next = cut.pop() as Buffer
  assert.ok(cut.length > 20, `${cut.length} of one piece`)
  // They lie apart from one another.
  for (const [i, bytes] of cut.entries()) bytes.fill(i)
  for (const [i, bytes] of cut.entries()) assert.ok(bytes.every((byte) => byte === i))
  const last = cut.pop() as Buffer
  for (const bytes of cut) memory.unpin(bytes)
  memory.pin(last)
  memory.unpin(last)
  assert.equal(freed.length, 0)
  memory.unpin(last)
  assert.equal(freed.length, 1)
  assert.equal(freed[0]?.buffer, last.buffer)
  assert.notEqual(next.buffer, last.buffer)
})
