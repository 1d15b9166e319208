import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { spoiledMemory } from '../../tests/support/spoiled-memory.js'
import { FrameLengthError, type FramePlace, FrameReader } from './frame-reader.js'
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

/** Where the frames of the API that is named by their first two bytes are, if they have as many. */
const places = ['asReceived', 'pinned', 'kept'] as const
const placeOf = (apiKey: number): FramePlace => places[apiKey & 3] ?? 'kept'

/** Bodies whose first byte is 0, so that their second one names their place. */
const bodyOf = fc.uint8Array({ maxLength: 4000, size: 'max' }).map((body) => {
  if (body.length > 1) body[0] = 0
  return body
})

test('frames come out as they went in, however the stream is cut, and stay what they are as long as they are to', () => {
  fc.assert(
    fc.property(
      fc.array(bodyOf, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }),
      fc.boolean(),
      (bodies, cuts, isSeldomTaken) => {
        const budget = new RequestBudget(budgetBytes)
        const reader = new FrameReader(budget, memory, placeOf)
        const stream = framed(...bodies)
        const scratch = Buffer.alloc(10_000)
        const frames: (Buffer | string)[] = []
        for (let position = 0, i = 0; position < stream.length; i++) {
          const bytes = stream.copy(scratch, 0, position, position + (cuts[i % cuts.length] ?? 1))
          position += bytes
          reader.push(scratch, bytes)
          // Whoever holds a request back takes no more for the moment.
          while (!(isSeldomTaken && i % 2 === 0) || position === stream.length) {
            const frame = reader.next(10_000)
            if (frame === undefined) break
            frames.push(frame.buffer === scratch.buffer ? frame.toString('hex') : frame)
          }
          reader.keep()
          scratch.fill(0xdd)
        }
        assert.deepEqual(
          frames.map((frame) => (typeof frame === 'string' ? frame : frame.toString('hex'))),
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

test('a frame whose bytes nobody keeps stays where it was received, if it lies there whole', () => {
  const reader = new FrameReader(new RequestBudget(budgetBytes), memory, () => 'asReceived')
  const chunk = framed(Buffer.from('abc'))
  reader.push(chunk, chunk.length)
  assert.equal(reader.next(100)?.buffer, chunk.buffer)
})

for (const place of ['pinned', 'kept'] as const)
  test(`a frame that is ${place} has memory of its own, of its size, and ${place === 'pinned' ? 'is pinned once' : 'is not pinned'}`, () => {
    for (const cut of [100, 5004]) {
      const reader = new FrameReader(new RequestBudget(budgetBytes), memory, () => place)
      const large = framed(Buffer.alloc(5000))
      reader.push(large.subarray(0, cut), cut)
      let frame = reader.next(10_000)
      if (cut < large.length) {
        assert.equal(frame, undefined)
        assert.equal(reader.awaitsBytes, true)
        reader.push(large.subarray(cut), large.length - cut)
        frame = reader.next(10_000)
      }
      assert.ok(frame)
      assert.notEqual(frame.buffer, large.buffer)
      assert.equal(frame.length, 5000)
      const { idleBytes } = memory
      memory.unpin(frame)
      assert.equal(memory.idleBytes, idleBytes + (place === 'pinned' ? frame.buffer.byteLength : 0))
    }
  })

test('lengths that are negative or too large are refused', () => {
  for (const length of [-1, -2147483648, 101, 2147483647]) {
    const reader = new FrameReader(new RequestBudget(budgetBytes), memory, placeOf)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    reader.push(bytes, bytes.length)
    assert.throws(() => reader.next(100), FrameLengthError)
  }
})

test('a frame the budget has no room for waits, and gives its bytes back when dropped', () => {
  const budget = new RequestBudget(1000)
  const reader = new FrameReader(budget, memory, placeOf)
  assert.equal(budget.take(900), true)
  reader.push(framed(Buffer.alloc(200)), 50)
  assert.equal(reader.next(1000), undefined)
  assert.equal(reader.refusedBytes, 200)
  budget.release(900)
  assert.equal(reader.next(1000), undefined)
  assert.equal(reader.refusedBytes, 0)
  assert.equal(budget.used, 200)
  reader.discard()
  assert.equal(budget.used, 0)
})
