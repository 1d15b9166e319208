import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { spoiledMemory } from '../../tests/support/spoiled-memory.js'
import { FrameLengthError, FrameReader } from './frame-reader.js'
import { RequestBudget } from './request-budget.js'

const budgetBytes = 1024 * 1024
const memory = spoiledMemory()

function framed(...bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4)
      length.writeInt32BE(body.length)
      return [length, body]
    }),
  )
}

function takeAll(reader: FrameReader): Buffer[] {
  const frames: Buffer[] = []
  for (let frame = reader.next(10_000); frame !== undefined; frame = reader.next(10_000)) frames.push(frame)
  return frames
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 4000, size: 'max' }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }),
      (bodies, cuts) => {
        const budget = new RequestBudget(budgetBytes)
        const reader = new FrameReader(budget, memory)
        const stream = framed(...bodies)
        const frames: Buffer[] = []
        for (let position = 0, i = 0; position < stream.length; i++) {
          const end = position + (cuts[i % cuts.length] ?? 1)
          reader.push(stream.subarray(position, end))
          position = end
          frames.push(...takeAll(reader))
        }
        assert.deepEqual(
          frames.map((frame) => frame.toString('hex')),
          bodies.map((body) => Buffer.from(body).toString('hex')),
        )
        assert.equal(reader.awaitsBytes, false)
        assert.equal(
          budget.used,
          bodies.reduce((sum, body) => sum + body.length, 0),
        )
      },
    ),
  )
})

test('a frame that lies whole in a chunk is a view of it, any other has a buffer of its own, of its size', () => {
  const reader = new FrameReader(new RequestBudget(budgetBytes), memory)
  const chunk = framed(Buffer.from('abc'))
  reader.push(chunk)
  assert.equal(reader.next(100)?.buffer, chunk.buffer)
  const large = framed(Buffer.alloc(5000))
  reader.push(large.subarray(0, 100))
  assert.equal(reader.next(10_000), undefined)
  assert.equal(reader.awaitsBytes, true)
  reader.push(large.subarray(100))
  const frame = reader.next(10_000)
  assert.ok(frame)
  assert.equal(frame.length, 5000)
  assert.equal(frame.byteOffset, 0)
  // It is pinned once.
  const { idleBytes } = memory
  memory.unpin(frame)
  assert.equal(memory.idleBytes, idleBytes + frame.buffer.byteLength)
})

test('lengths that are negative or too large are refused', () => {
  for (const length of [-1, -2147483648, 101, 2147483647]) {
    const reader = new FrameReader(new RequestBudget(budgetBytes), memory)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    reader.push(bytes)
    assert.throws(() => reader.next(100), FrameLengthError)
  }
})

test('a frame the budget has no room for waits, and gives its bytes back when dropped', () => {
  const budget = new RequestBudget(1000)
  const reader = new FrameReader(budget, memory)
  assert.equal(budget.take(900), true)
  reader.push(framed(Buffer.alloc(200)).subarray(0, 50))
  assert.equal(reader.next(1000), undefined)
  assert.equal(reader.refusedBytes, 200)
  budget.release(900)
  assert.equal(reader.next(1000), undefined)
  assert.equal(reader.refusedBytes, 0)
  assert.equal(budget.used, 200)
  reader.discard()
  assert.equal(budget.used, 0)
})
