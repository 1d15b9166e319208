import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from './buffer-pool.js'

test('what is given back is used again for as many bytes or a few less', () => {
  const pool = new BufferPool(2 ** 20)
  const first = pool.take(100_000)
  assert.equal(first.length, 100_000)
  pool.give(first.subarray(5, 17))
  const second = pool.take(131_072)
  assert.equal(second.buffer, first.buffer)
  assert.equal(second.length, 131_072)
})

test('what is lent is not lent again', () => {
  const pool = new BufferPool(2 ** 20)
  const taken = Array.from({ length: 10 }, () => pool.take(50_000))
  for (const buffer of taken) pool.give(buffer)
  const again = Array.from({ length: 12 }, () => pool.take(50_000))
  assert.equal(new Set(again.map(({ buffer }) => buffer)).size, 12)
})

test('nothing is given back twice, or that came from elsewhere', () => {
  const pool = new BufferPool(2 ** 20)
  const buffer = pool.take(4_096)
  pool.give(buffer)
  pool.give(buffer)
  pool.give(Buffer.alloc(4_096))
  pool.give(new BufferPool(2 ** 20).take(4_096))
  assert.equal(pool.idleBytes, 4_096)
  assert.notEqual(pool.take(4_096).buffer, pool.take(4_096).buffer)
})

test('no more waits than is allowed; sizes that are not asked for go first', () => {
  const pool = new BufferPool(10_000)
  const [large, small] = [pool.take(8_192), pool.take(2_048)]
  pool.give(large)
  pool.give(small)
  assert.equal(pool.idleBytes, 2_048)
  assert.equal(pool.take(2_048).buffer, small.buffer)
  assert.notEqual(pool.take(8_192).buffer, large.buffer)
})

test('small buffers are not kept', () => {
  const pool = new BufferPool(10_000)
  pool.give(pool.take(100))
  assert.equal(pool.idleBytes, 0)
})
