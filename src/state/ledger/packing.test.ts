import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeHead, type Part, pack, unpack } from './entry.js'
import { Packing } from './packing.js'
import { packAppend } from './part-builder.js'

/** Whole numbers, many of them where MessagePack changes from one form to the next. */
const edges = [2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER - 1]
const nearEdge = fc.tuple(fc.constantFrom(...edges), fc.integer({ min: -1, max: 1 }), fc.constantFrom(1, -1))
const integer = fc.oneof(
  nearEdge.map(([edge, off, sign]) => sign * (edge + off)),
  fc.maxSafeInteger(),
  fc.integer({ min: -40, max: 300 }),
)
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ maxLength: 20, unit: 'binary' }),
  fc.constantFrom(31, 32, 255, 256, 65_535, 65_536).map((length) => 'x'.repeat(length)),
)
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(255, 256, 65_535, 65_536).map((length) => new Uint8Array(length)),
)

function packed(write: (packing: Packing) => void): Buffer {
  const packing = new Packing()
  packing.begin()
  write(packing)
  return packing.finish()
}

test('numbers, texts, bytes and lists are packed as the packer does it, byte for byte', () => {
  fc.assert(
    fc.property(integer, (value) =>
      assert.deepEqual(
        packed((p) => p.integer(value)),
        pack(value),
      ),
    ),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(text, (value) =>
      assert.deepEqual(
        packed((p) => p.string(value)),
        pack(value),
      ),
    ),
  )
  fc.assert(
    fc.property(bytes, (value) =>
      assert.deepEqual(
        packed((p) => p.binary(value)),
        pack(Buffer.from(value)),
      ),
    ),
  )
  for (const length of [0, 15, 16, 65_535, 65_536])
    assert.deepEqual(
      packed((p) => {
        p.array(length)
        for (let i = 0; i < length; i++) p.integer(1)
      }),
      pack(new Array(length).fill(1)),
    )
})

test('an append is packed as the packer does it, and unpacks to what it was', () => {
  const append = fc.record({
    topics: fc.array(fc.oneof(text, fc.constant('0123456789abcdef0123456789abcdef')), { maxLength: 20 }),
    batches: fc.array(integer, { maxLength: 300 }),
  })
  fc.assert(
    fc.property(append, fc.nat(), ({ topics, batches }, length) => {
      const command = { topics, batches }
      const bytes = packAppend(command, length)
      assert.deepEqual(bytes, pack(['append', command, length]))
      assert.deepEqual(unpack(bytes), ['append', command, length])
    }),
  )
})

test('the head of an entry is packed as the packer does it', () => {
  const part: fc.Arbitrary<Part> = fc.record({
    writer: fc.nat(),
    index: integer,
    timeMs: integer,
    commands: bytes.map((content) => Buffer.from(content)),
    bodyLength: fc.nat(),
    lanePosition: fc.nat(),
  })
  fc.assert(
    fc.property(fc.nat(), fc.array(part, { maxLength: 20 }), (writer, parts) => {
      const fields = parts.map((each) => [
        each.writer,
        each.index,
        each.timeMs,
        each.commands,
        each.bodyLength,
        each.lanePosition,
      ])
      assert.deepEqual(encodeHead(writer, parts).subarray(8, -4), pack([1, writer, fields]))
    }),
  )
})
