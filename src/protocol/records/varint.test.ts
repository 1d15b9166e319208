import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecordError } from './record-error.js'
import { readVarint, readVarlong, varintSize, varlongSize, writeVarint, writeVarlong } from './varint.js'

const cursorOf = (bytes: Uint8Array) => ({ bytes, position: 0, end: bytes.length })

/** The definition, by BigInt: zigzag, then seven bits a byte. */
function definition(value: bigint): Uint8Array {
  let rest = value < 0n ? -value * 2n - 1n : value * 2n
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Uint8Array.from([...bytes, Number(rest)])
}

const int32s = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)))
const safeIntegers = fc.oneof(
  fc.maxSafeInteger(),
  int32s,
  fc.constantFrom(2 ** 31, -(2 ** 31) - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)

test('a varint is written as defined and read back', () => {
  fc.assert(
    fc.property(int32s, (value) => {
      const bytes = Buffer.alloc(10)
      const end = writeVarint(bytes, 0, value)
      assert.deepEqual(Uint8Array.from(bytes.subarray(0, end)), definition(BigInt(value)))
      assert.equal(varintSize(value), end)
      const cursor = cursorOf(bytes)
      assert.equal(readVarint(cursor), value)
      assert.equal(cursor.position, end)
    }),
  )
})

test('a varlong is written as defined and read back', () => {
  fc.assert(
    fc.property(safeIntegers, (value) => {
      const bytes = Buffer.alloc(12)
      const end = writeVarlong(bytes, 0, value)
      assert.deepEqual(Uint8Array.from(bytes.subarray(0, end)), definition(BigInt(value)))
      assert.equal(varlongSize(value), end)
      const cursor = cursorOf(bytes)
      assert.equal(readVarlong(cursor), value)
      assert.equal(cursor.position, end)
    }),
  )
})

test('a varlong beyond the safe integers is clamped to the nearest of them', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const max = BigInt(Number.MAX_SAFE_INTEGER)
      const nearest = value > max ? max : value < -max ? -max : value
      assert.equal(readVarlong(cursorOf(definition(value))), Number(nearest))
    }),
  )
})

test('a varint of more than 5 bytes and a varlong of more than 10 are refused', () => {
  const endless = Buffer.alloc(20, 0x80)
  assert.throws(() => readVarint(cursorOf(endless)), RecordError)
  assert.throws(() => readVarlong(cursorOf(endless)), RecordError)
  assert.equal(readVarint(cursorOf(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]))), -(2 ** 31))
  assert.throws(() => readVarint(cursorOf(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x00]))), RecordError)
})

test("nothing is read past the cursor's end", () => {
  fc.assert(
    fc.property(safeIntegers, fc.nat(9), (value, cut) => {
      const bytes = definition(BigInt(value))
      const end = Math.min(cut, bytes.length - 1)
      assert.throws(() => readVarlong({ bytes, position: 0, end }), RecordError)
      assert.throws(() => readVarint({ bytes, position: 0, end: Math.min(end, 4) }), RecordError)
    }),
  )
})
