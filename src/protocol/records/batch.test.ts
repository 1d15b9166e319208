import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BatchPosition,
  baseOffsetOf,
  batchesIn,
  batchSizeOf,
  crcMatches,
  isControlBatch,
  isTransactionalBatch,
  lastOffsetDeltaOf,
  lastOffsetOf,
  maxTimestampOf,
  patchedHeader,
  patchedHeaderBytes,
  patchInPlace,
  producerIdOf,
  readBatchHeader,
  readInt64,
  recordCountOf,
  withLogAppendTime,
  writeInt64,
} from './batch.js'
import { decodeRecords, encodeBatch } from './record.js'
import { RecordError } from './record-error.js'

const record = (value: string, timestampMs = 1000) => ({
  timestampMs,
  key: null,
  value: Buffer.from(value),
  headers: [],
})

const sample = () =>
  encodeBatch({
    records: [record('a', 1000), record('b', 3000), record('c', 2000)],
    baseOffset: 2 ** 40 + 5,
    producerId: 2 ** 45,
    producerEpoch: 6,
    baseSequence: 70,
    isTransactional: true,
  })

test('single fields are those of the whole header', () => {
  const padded = Buffer.concat([Buffer.alloc(3), sample()])
  const header = readBatchHeader(padded, 3)
  assert.equal(baseOffsetOf(padded, 3), header.baseOffset)
  assert.equal(batchSizeOf(padded, 3), header.sizeInBytes)
  assert.equal(lastOffsetDeltaOf(padded, 3), header.lastOffsetDelta)
  assert.equal(lastOffsetOf(padded, 3), 2 ** 40 + 7)
  assert.equal(maxTimestampOf(padded, 3), 3000)
  assert.equal(producerIdOf(padded, 3), 2 ** 45)
  assert.equal(recordCountOf(padded, 3), 3)
  assert.equal(isTransactionalBatch(padded, 3), true)
  assert.equal(isControlBatch(padded, 3), false)
})

test('a header that is cut off or of another magic is refused', () => {
  assert.throws(() => readBatchHeader(sample().subarray(0, 60)), RecordError)
  assert.throws(() => readBatchHeader(sample(), sample().length), RecordError)
  const legacy = sample()
  legacy[BatchPosition.magic] = 1
  assert.throws(() => readBatchHeader(legacy), RecordError)
})

test('64-bit integers are read as written, and clamped beyond the safe ones', () => {
  const buffer = Buffer.alloc(8)
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      writeInt64(buffer, 0, value)
      assert.equal(buffer.readBigInt64BE(0), BigInt(value))
      assert.equal(readInt64(buffer, 0), value)
    }),
  )
  buffer.writeBigInt64BE(2n ** 63n - 1n)
  assert.equal(readInt64(buffer, 0), Number.MAX_SAFE_INTEGER)
  buffer.writeBigInt64BE(-(2n ** 63n))
  assert.equal(readInt64(buffer, 0), Number.MIN_SAFE_INTEGER)
})

test('a batch takes its place in the log without being copied and keeps its checksum', () => {
  const batch = sample()
  const before = Buffer.from(batch)
  const patched = Buffer.concat([patchedHeader(batch, 2 ** 33 + 1, 12), batch.subarray(patchedHeaderBytes)])
  assert.deepEqual(batch, before)
  assert.deepEqual(readBatchHeader(patched), {
    ...readBatchHeader(batch),
    baseOffset: 2 ** 33 + 1,
    partitionLeaderEpoch: 12,
  })
  assert.ok(crcMatches(patched))

  const two = Buffer.concat([sample(), sample()])
  patchInPlace(two, batch.length, 2 ** 33 + 1, 12)
  assert.deepEqual(two.subarray(0, batch.length), before)
  assert.deepEqual(two.subarray(batch.length), patched)
})

test('LogAppendTime gives every record the time of the append, in a copy with a right checksum', () => {
  const batch = sample()
  const before = Buffer.from(batch)
  const stamped = withLogAppendTime(batch, 1_700_000_000_123)
  assert.deepEqual(batch, before)
  assert.ok(crcMatches(stamped))
  assert.equal(readBatchHeader(stamped).timestampType, 'logAppendTime')
  assert.deepEqual(
    decodeRecords(stamped).map(({ timestampMs }) => timestampMs),
    [1_700_000_000_123, 1_700_000_000_123, 1_700_000_000_123],
  )
})

test('whole batches are found wherever the buffer is cut off', () => {
  const batches = [sample(), encodeBatch({ records: [record('other')] }), sample()]
  const buffer = Buffer.concat(batches)
  const ends = batches.map((_, index) => batches.slice(0, index + 1).reduce((sum, { length }) => sum + length, 0))
  for (let length = 0; length <= buffer.length; length++) {
    const found = [...batchesIn(buffer.subarray(0, length))]
    assert.deepEqual(
      found,
      batches.filter((_, index) => (ends[index] ?? 0) <= length),
    )
  }
})

test('a length that no batch can have ends the walk with an error', () => {
  for (const length of [-2147483648, -1, 0, 48]) {
    const buffer = Buffer.concat([sample(), sample()])
    buffer.writeInt32BE(length, sample().length + BatchPosition.batchLength)
    assert.throws(() => [...batchesIn(buffer)], RecordError)
  }
})
