import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchPosition, batchHeaderBytes, compressions, crcMatches, readBatchHeader, writeInt64 } from './batch.js'
import { decodeRecords, encodeBatch, type RecordToEncode } from './record.js'
import { RecordError } from './record-error.js'

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const bytesOrNull = fc.option(bytes)
const record: fc.Arbitrary<RecordToEncode> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -1, max: 2 ** 42 }), fc.constant(2 ** 51)),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(
    fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), bytesOrNull).map(([key, value]) => ({ key, value })),
    { maxLength: 3 },
  ),
})
const batchToEncode = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 30 }),
  compression: fc.constantFrom(...compressions),
  baseOffset: fc.maxSafeNat().filter((offset) => offset < 2 ** 52),
  partitionLeaderEpoch: fc.nat(),
  producerId: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  producerEpoch: fc.integer({ min: -1, max: 2 ** 15 - 1 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  isTransactional: fc.boolean(),
  isControl: fc.boolean(),
})

test('records of any content come back from a batch as they went in, in every compression', () => {
  fc.assert(
    fc.property(batchToEncode, (batch) => {
      const encoded = encodeBatch(batch)
      assert.ok(crcMatches(encoded))
      assert.deepEqual(
        decodeRecords(encoded),
        batch.records.map((record, index) => ({ offset: batch.baseOffset + index, ...record })),
      )
    }),
  )
})

test('the header of a batch says what was asked for', () => {
  fc.assert(
    fc.property(batchToEncode, (batch) => {
      const header = readBatchHeader(encodeBatch(batch))
      const { records, ...wanted } = batch
      assert.deepEqual({ ...header, ...wanted }, header)
      assert.equal(header.recordCount, records.length)
      assert.equal(header.lastOffsetDelta, records.length - 1)
      assert.equal(header.baseTimestamp, records[0]?.timestampMs)
      assert.equal(header.maxTimestamp, Math.max(...records.map(({ timestampMs }) => timestampMs)))
    }),
  )
})

test("without further words a batch is as a plain producer's", () => {
  const header = readBatchHeader(encodeBatch({ records: [{ timestampMs: 5, key: null, value: null, headers: [] }] }))
  assert.deepEqual(
    [header.baseOffset, header.partitionLeaderEpoch, header.producerId, header.producerEpoch, header.baseSequence],
    [0, -1, -1, -1, -1],
  )
  assert.equal(header.attributes, 0)
})

const mutation = fc.record({
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.nat(255),
  kind: fc.constantFrom('replace', 'insert', 'cut'),
})

/** As corruption may have it; the batch's length stays right, so that more than the header is put to the test. */
function mutated(batch: Buffer, mutations: readonly { place: number; byte: number; kind: string }[]): Buffer {
  let result = Buffer.from(batch)
  for (const { place, byte, kind } of mutations) {
    const at = BatchPosition.attributes + Math.floor(place * (result.length - BatchPosition.attributes))
    if (kind === 'replace') result[at] = byte
    if (kind === 'insert') result = Buffer.concat([result.subarray(0, at), Buffer.from([byte]), result.subarray(at)])
    if (kind === 'cut') result = result.subarray(0, Math.max(at, batchHeaderBytes))
  }
  result.writeInt32BE(result.length - 12, BatchPosition.batchLength)
  return result
}

test('of damaged batches, whatever is not refused by a RecordError is still a list of records', () => {
  fc.assert(
    fc.property(batchToEncode, fc.array(mutation, { minLength: 1, maxLength: 4 }), (batch, mutations) => {
      const damaged = mutated(encodeBatch(batch), mutations)
      try {
        for (const { offset, timestampMs } of decodeRecords(damaged, { bytesMax: 1_000_000 }))
          assert.ok(Number.isSafeInteger(timestampMs) && Number.isFinite(offset))
      } catch (error) {
        assert.ok(error instanceof RecordError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('random bytes are refused by a RecordError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
      assert.throws(() => decodeRecords(Buffer.from(array)), RecordError)
    }),
  )
})

test('a batch cut off anywhere is refused, its length corrected or not', () => {
  const whole = encodeBatch({
    records: [
      { timestampMs: 5, key: Buffer.from('key'), value: Buffer.from('value'), headers: [{ key: 'h', value: null }] },
    ],
  })
  for (let length = 0; length < whole.length; length++) {
    const cut = Buffer.from(whole.subarray(0, length))
    assert.throws(() => decodeRecords(cut), RecordError)
    if (length < batchHeaderBytes) continue
    cut.writeInt32BE(length - 12, BatchPosition.batchLength)
    assert.throws(() => decodeRecords(cut), RecordError)
  }
})

/** A batch of one record of these bytes, which the first of them, a length, is put before. */
function batchOf(body: number[]): Buffer {
  const batch = encodeBatch({ records: [{ timestampMs: 1000, key: null, value: null, headers: [] }] })
  const changed = Buffer.concat([batch.subarray(0, batchHeaderBytes), Buffer.from([body.length * 2, ...body])])
  changed.writeInt32BE(changed.length - 12, BatchPosition.batchLength)
  return changed
}

test('the smallest record is read', () => {
  assert.deepEqual(decodeRecords(batchOf([0, 0, 0, 1, 1, 0])), [
    { offset: 0, timestampMs: 1000, key: null, value: null, headers: [] },
  ])
})

const malformed: [why: string, body: number[]][] = [
  ['ends within its fields', [0, 0, 0, 1, 1]],
  ['has bytes after its fields', [0, 0, 0, 1, 1, 0, 0]],
  ['has an offset below 0', [0, 0, 1, 1, 1, 0]],
  ["has an offset beyond its batch's last", [0, 0, 2, 1, 1, 0]],
  ['has a key longer than itself', [0, 0, 0, 4, 1, 0]],
  ['has a value longer than itself', [0, 0, 0, 1, 0x7e, 0]],
  ['has fewer than no headers', [0, 0, 0, 1, 1, 1]],
  ['has more headers than bytes', [0, 0, 0, 1, 1, 0x7e]],
  ['has a header without key', [0, 0, 0, 1, 1, 2, 1, 1]],
]

for (const [why, body] of malformed)
  test(`a record that ${why} is refused`, () => {
    assert.throws(() => decodeRecords(batchOf(body)), RecordError)
  })

test('a count that is not the number of records is refused', () => {
  for (const count of [-1, 0, 1, 3, 2 ** 31 - 1]) {
    const record = { timestampMs: 5, key: null, value: Buffer.alloc(40), headers: [] }
    const batch = encodeBatch({ records: [record, record] })
    batch.writeInt32BE(count, BatchPosition.recordCount)
    assert.throws(() => decodeRecords(batch), RecordError)
  }
})

test('a timestamp beyond the safe integers is clamped', () => {
  const batch = encodeBatch({
    records: [0, 2 ** 50].map((timestampMs) => ({ timestampMs, key: null, value: null, headers: [] })),
  })
  writeInt64(batch, BatchPosition.baseTimestamp, Number.MAX_SAFE_INTEGER - 1)
  assert.deepEqual(
    decodeRecords(batch).map(({ timestampMs }) => timestampMs),
    [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER],
  )
})

test('keys and values are views, not copies', () => {
  const batch = encodeBatch({ records: [{ timestampMs: 5, key: null, value: Buffer.from('value'), headers: [] }] })
  assert.equal(decodeRecords(batch)[0]?.value?.buffer, batch.buffer)
})

test('a batch without records is nothing to encode', () => {
  assert.throws(() => encodeBatch({ records: [] }), { name: 'AssertionError' })
})
