import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type AnyApi, api, type Message } from '../../src/protocol/api.js'
import { apis } from '../../src/protocol/apis.js'
import { readerOf, writerOf } from '../../src/protocol/compile.js'
import { ProtocolError } from '../../src/protocol/protocol-error.js'
import {
  array,
  boolean,
  bytes,
  float64,
  int8,
  int16,
  int32,
  int64,
  int64Saturating,
  records,
  type Shape,
  string,
  struct,
  uint16,
  uuid,
} from '../../src/protocol/schema.js'
import { Writer } from '../../src/protocol/writer.js'
import { messageArbitrary } from './arbitrary.js'
import { normalised, oracleRead, oracleWrite } from './oracle.js'

const numRuns = 12

const everything = {
  boolean,
  int8,
  int16,
  uint16,
  int32,
  int64,
  int64Saturating,
  float64,
  uuid,
  string: string.orNull(1),
  bytes: bytes.orNull(),
  records: records.until(2),
  structs: array({ uint16, nested: struct({ name: string, size: float64.default(1.5) }) }).orNull(2),
  fixed: array({ int8, uuid }),
  numbers: array(int64),
  texts: array(string).since(1).until(2),
  blobs: array(bytes),
  nullableStruct: struct({ int16, more: struct({ float64 }).orNull() }).orNull(),
  lastStruct: struct({ int32, int8 }),
}

/** Uses what no message declared so far uses: each type, plain, optional, nullable, and tagged. */
const vocabulary: AnyApi = api(9999, 'Vocabulary', {
  versions: [0, 4],
  flexible: 2,
  request: everything,
  response: {
    uint16: uint16.default(7).tagged(0, 2),
    float64: float64.tagged(1, 2),
    boolean: boolean.default(true).tagged(2, 2),
    int64: int64Saturating.default(Number.NEGATIVE_INFINITY).tagged(3, 3),
    uuid: uuid.tagged(5, 2),
    bytes: bytes.orNull().tagged(6, 2),
    text: string.orNull().default(null).tagged(7, 2),
    everything: struct({ numbers: array(int16), inner: struct({ bytes }).orNull().default(null) }).tagged(8, 2),
    nullableStruct: struct({ string, late: int8.since(4) })
      .orNull()
      .default(null)
      .tagged(200, 2),
    structs: array({ name: string, size: int32.tagged(0, 2) })
      .orNull()
      .tagged(20000, 3),
  },
})

/** Every message in every version. */
const versions = [...apis, vocabulary].flatMap((api) =>
  [api.request, api.response].flatMap((message) =>
    Array.from({ length: api.versions[1] - api.versions[0] + 1 }, (_, i) => ({
      message,
      version: api.versions[0] + i,
    })),
  ),
)

const writer = new Writer()

function write(message: Message<Shape>, version: number, value: Record<string, unknown>): Buffer {
  writer.begin()
  writerOf(message, version)(writer, value)
  return Buffer.concat(writer.finish()).subarray(4)
}

function read(message: Message<Shape>, version: number, bytes: Buffer): unknown {
  return readerOf(message, version)(bytes, 0, bytes.length)
}

describe('every message in every version', () => {
  test('is written as the oracle writes it', () => {
    for (const { message, version } of versions) {
      const isSame = (value: Record<string, unknown>) =>
        assert.deepEqual(write(message, version, value), oracleWrite(message, version, value))
      fc.assert(fc.property(messageArbitrary(message, version), isSame), { numRuns })
    }
  })

  test('comes back from the wire as it was, absent fields as their defaults', () => {
    for (const { message, version } of versions) {
      const comesBack = (value: Record<string, unknown>) => {
        const bytes = write(message, version, value)
        const result = read(message, version, bytes)
        assert.deepEqual(result, oracleRead(message, version, bytes))
        assert.deepEqual(result, normalised(message.fields, version, value))
      }
      fc.assert(fc.property(messageArbitrary(message, version), comesBack), { numRuns })
    }
  })

  test('is read where it lies in a larger buffer', () => {
    for (const { message, version } of versions) {
      const isSame = (value: Record<string, unknown>) => {
        const bytes = write(message, version, value)
        const around = Buffer.concat([Buffer.alloc(7, 0xff), bytes, Buffer.alloc(9, 0xff)])
        const result = readerOf(message, version)(around, 7, 7 + bytes.length)
        assert.deepEqual(result, read(message, version, bytes))
      }
      fc.assert(fc.property(messageArbitrary(message, version), isSame), { numRuns: 3 })
    }
  })

  test('is read past unknown tagged fields, however long', () => {
    const content = fc.oneof(fc.constant(Buffer.alloc(0)), fc.constant(Buffer.alloc(300, 7)))
    const unknown = fc.record({ tag: fc.constantFrom(1000, 127, 128, 2 ** 31, 2 ** 32 - 1), content })
    for (const { message, version } of versions.filter((each) => each.version >= each.message.flexible)) {
      const isIgnored = (value: Record<string, unknown>, tag: { tag: number; content: Buffer }) => {
        const result = read(message, version, oracleWrite(message, version, value, tag))
        assert.deepEqual(result, normalised(message.fields, version, value))
      }
      fc.assert(fc.property(messageArbitrary(message, version), unknown, isIgnored), { numRuns })
    }
  })

  test('is refused when it is cut short or goes on', () => {
    for (const { message, version } of versions) {
      const isRefused = (value: Record<string, unknown>) => {
        const bytes = write(message, version, value)
        const step = Math.max(1, Math.floor(bytes.length / 50))
        for (let length = 0; length < bytes.length; length += step) {
          assert.throws(() => read(message, version, bytes.subarray(0, length)), ProtocolError)
        }
        assert.throws(() => read(message, version, Buffer.concat([bytes, Buffer.alloc(1)])), ProtocolError)
      }
      fc.assert(fc.property(messageArbitrary(message, version), isRefused), { numRuns: 3 })
    }
  })

  test('with broken bytes is read as the oracle reads it, or refused', () => {
    const breaks = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255))), {
      minLength: 1,
      maxLength: 3,
    })
    for (const { message, version } of versions) {
      const isSame = (value: Record<string, unknown>, changes: [number, number][]) => {
        const bytes = Buffer.from(write(message, version, value))
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
        assertSameReading(message, version, bytes)
      }
      fc.assert(fc.property(messageArbitrary(message, version), breaks, isSame), { numRuns })
    }
  })

  test('made of random bytes is read as the oracle reads it, or refused', () => {
    const random = fc.uint8Array({ maxLength: 120, size: 'max' }).map((bytes) => Buffer.from(bytes))
    for (const { message, version } of versions) {
      fc.assert(
        fc.property(random, (bytes) => assertSameReading(message, version, bytes)),
        { numRuns },
      )
    }
  })
})

function assertSameReading(message: Message<Shape>, version: number, bytes: Buffer): void {
  let expected: unknown
  try {
    expected = oracleRead(message, version, bytes)
  } catch {
    assert.throws(() => read(message, version, bytes), ProtocolError, `${message.name} v${version}`)
    return
  }
  assert.deepEqual(read(message, version, bytes), expected, `${message.name} v${version}`)
}
