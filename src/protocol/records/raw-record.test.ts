import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BatchPosition, compressions, crcMatches, readBatchHeader, withLogAppendTime } from './batch.js'
import { readRawBatch, withRecords } from './raw-record.js'
import { decodeRecords, encodeBatch, type RecordToEncode } from './record.js'
import { RecordError } from './record-error.js'

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)))
const record: fc.Arbitrary<RecordToEncode> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -1, max: 2 ** 42 }), fc.constant(2 ** 51)),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(
    fc.tuple(fc.string({ maxLength: 20 }), bytesOrNull).map(([key, value]) => ({ key, value })),
    { maxLength: 3 },
  ),
})

test('a batch with some of its records has these as they were, and everything else of its header', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(...compressions),
      fc.integer(),
      fc.option(fc.nat({ max: 2 ** 45 }), { nil: undefined }),
      fc.boolean(),
      (records, compression, chosen, horizonMs, isLogAppendTime) => {
        const producer = { producerId: 7, producerEpoch: 2, baseSequence: 11, baseOffset: 1_000 }
        const created = encodeBatch({ records, compression, ...producer })
        const batch = isLogAppendTime ? withLogAppendTime(created, 5) : created
        const raw = readRawBatch(batch)
        assert.deepEqual(
          raw.records.map(({ offsetDelta, key, hasValue }) => [offsetDelta, key, hasValue]),
          records.map(({ key, value }, index) => [index, key, value !== null]),
        )
        const isKept = (index: number) => index === Math.abs(chosen) % records.length || ((chosen >> index) & 1) === 1
        const filtered = withRecords(
          batch,
          raw.header,
          raw.records.filter((_, index) => isKept(index)),
          horizonMs,
        )
        assert.ok(crcMatches(filtered))
        const kept = decodeRecords(batch).filter((_, index) => isKept(index))
        assert.deepEqual(decodeRecords(filtered), kept)
        const before = readBatchHeader(batch)
        const after = readBatchHeader(filtered)
        assert.deepEqual(after, {
          ...before,
          crc: after.crc,
          batchLength: filtered.length - 12,
          sizeInBytes: filtered.length,
          attributes: before.attributes | (horizonMs === undefined ? 0 : 0x40),
          hasDeleteHorizon: horizonMs !== undefined,
          baseTimestamp: horizonMs ?? before.baseTimestamp,
          maxTimestamp: Math.max(...kept.map(({ timestampMs }) => timestampMs)),
          recordCount: kept.length,
        })
        // And again, as a log is cleaned again and again.
        const again = readRawBatch(filtered)
        const last = again.records.slice(-1)
        assert.deepEqual(decodeRecords(withRecords(filtered, again.header, last, 3)), kept.slice(-1))
      },
    ),
  )
})

test('a batch whose records are not what it says can not be read', () => {
  const records = ['a', 'b', 'c'].map((key) => ({ timestampMs: 1, key: Buffer.from(key), value: null, headers: [] }))
  const batch = encodeBatch({ records })
  const changed = (change: (batch: Buffer) => void) => {
    const copy = Buffer.from(batch)
    change(copy)
    return copy
  }
  const size = (batch.length - BatchPosition.records) / 3
  for (const bad of [
    changed((copy) => copy.writeInt32BE(2, BatchPosition.recordCount)),
    changed((copy) => copy.writeInt32BE(4, BatchPosition.recordCount)),
    changed((copy) => copy.writeInt32BE(-1, BatchPosition.recordCount)),
    changed((copy) => copy.writeInt32BE(1, BatchPosition.lastOffsetDelta)),
    changed((copy) => copy.writeInt16BE(1, BatchPosition.attributes)),
    changed((copy) => copy.writeInt16BE(7, BatchPosition.attributes)),
    // A length, an offset delta that is there already, a key that is longer than its record.
    changed((copy) => copy.writeInt8(2, BatchPosition.records)),
    changed((copy) => copy.writeInt8(0, BatchPosition.records + size + 3)),
    changed((copy) => copy.writeInt8(40, BatchPosition.records + 4)),
    batch.subarray(0, -1),
  ])
    assert.throws(() => readRawBatch(bad), RecordError)
})

test('a batch whose timestamps are out of reach is not rewritten', () => {
  const records = [1, 2].map((timestampMs) => ({ timestampMs, key: Buffer.from('k'), value: null, headers: [] }))
  const batch = encodeBatch({ records })
  batch.writeBigInt64BE(2n ** 62n, BatchPosition.baseTimestamp)
  const { header, records: raw } = readRawBatch(batch)
  assert.throws(() => withRecords(batch, header, raw.slice(1)), RecordError)
})

test('whatever a batch holds, it is read or refused', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      (records, changes) => {
        const batch = encodeBatch({ records })
        for (const [at, byte] of changes) {
          const room = batch.length - BatchPosition.recordCount
          batch[BatchPosition.recordCount + (at % room)] = byte
        }
        try {
          const raw = readRawBatch(batch)
          assert.equal(raw.records.length, raw.header.recordCount)
          // What is read can be written, and is read again.
          const again = withRecords(batch, raw.header, raw.records)
          assert.deepEqual(readRawBatch(again).records, raw.records)
        } catch (error) {
          assert.ok(error instanceof RecordError, String(error))
        }
      },
    ),
    { numRuns: 500 },
  )
})
