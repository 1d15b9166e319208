import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ErrorCode } from '../error-codes.js'
import { BatchAttribute, BatchPosition, withLogAppendTime } from './batch.js'
import { checkBatch } from './batch-check.js'
import { crc32c } from './crc32c.js'
import { encodeBatch } from './record.js'

const records = [
  { timestampMs: 1000, key: Buffer.from('k'), value: Buffer.from('first'), headers: [] },
  { timestampMs: 2000, key: null, value: Buffer.from('second'), headers: [] },
]
const sample = () => encodeBatch({ records, producerId: 7, producerEpoch: 1, baseSequence: 40 })
const check = (batch: Buffer | null) => checkBatch(batch, { maxBytes: 1_000_000 })

/** A batch changed as a client might have it: the checksum is right. */
function changed(change: (batch: Buffer) => void, batch = sample()): Buffer {
  change(batch)
  batch.writeUInt32BE(crc32c(batch.subarray(BatchPosition.attributes)), BatchPosition.crc)
  return batch
}

const withAttributes = (attributes: number) =>
  changed((batch) => batch.writeInt16BE(attributes, BatchPosition.attributes))

test('a right batch is accepted, and what produce needs of its header is told', () => {
  const batch = sample()
  assert.deepEqual(check(batch), {
    errorCode: ErrorCode.NONE,
    sizeInBytes: batch.length,
    recordCount: 2,
    lastOffsetDelta: 1,
    maxTimestamp: 2000,
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 40,
    isTransactional: false,
    compression: 'none',
  })
})

test('a batch in every compression is accepted', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const checked = check(encodeBatch({ records, compression }))
    assert.ok(checked.errorCode === ErrorCode.NONE)
    assert.equal(checked.compression, compression)
  }
})

const refusals: [why: string, batch: () => Buffer | null, code: keyof typeof ErrorCode][] = [
  ['no records at all', () => null, 'INVALID_RECORD'],
  ['empty records', () => Buffer.alloc(0), 'INVALID_RECORD'],
  ['two batches', () => Buffer.concat([sample(), sample()]), 'INVALID_RECORD'],
  ['a byte after the batch', () => Buffer.concat([sample(), Buffer.alloc(1)]), 'INVALID_RECORD'],
  ['magic 0', () => changed((batch) => batch.writeInt8(0, BatchPosition.magic)), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
  ['magic 1', () => changed((batch) => batch.writeInt8(1, BatchPosition.magic)), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
  ['an unknown magic', () => changed((batch) => batch.writeInt8(3, BatchPosition.magic)), 'CORRUPT_MESSAGE'],
  ['a negative length', () => changed((batch) => batch.writeInt32BE(-1, BatchPosition.batchLength)), 'CORRUPT_MESSAGE'],
  ['a huge length', () => changed((batch) => batch.writeInt32BE(2 ** 31 - 1, 8)), 'CORRUPT_MESSAGE'],
  ['a length within the header', () => changed((batch) => batch.writeInt32BE(20, 8)), 'CORRUPT_MESSAGE'],
  ['a wrong checksum', () => sample().fill(0, BatchPosition.crc, BatchPosition.attributes), 'CORRUPT_MESSAGE'],
  ['a base offset', () => changed((batch) => batch.writeInt8(1, 7)), 'INVALID_RECORD'],
  ['an unknown compression', () => withAttributes(5), 'UNSUPPORTED_COMPRESSION_TYPE'],
  ['control records', () => withAttributes(BatchAttribute.control), 'INVALID_RECORD'],
  ['LogAppendTime', () => withLogAppendTime(sample(), 5), 'INVALID_TIMESTAMP'],
  ['no record', () => changed((batch) => batch.writeInt32BE(0, BatchPosition.recordCount)), 'INVALID_RECORD'],
  ['a count below 0', () => changed((batch) => batch.writeInt32BE(-2, BatchPosition.recordCount)), 'INVALID_RECORD'],
  ['a count of its own', () => changed((batch) => batch.writeInt32BE(3, BatchPosition.recordCount)), 'INVALID_RECORD'],
  ['offsets below 0', () => changed((batch) => batch.writeInt32BE(-1, 23)), 'INVALID_RECORD'],
  ['a producer without sequence', () => changed((batch) => batch.writeInt32BE(-1, 53)), 'INVALID_RECORD'],
  ['a producer without epoch', () => changed((batch) => batch.writeInt16BE(-1, 51)), 'INVALID_RECORD'],
  ['an absurd producer id', () => changed((batch) => batch.writeBigInt64BE(2n ** 62n, 43)), 'INVALID_RECORD'],
  [
    'more records than its bytes can hold',
    () =>
      changed((batch) => {
        batch.writeInt32BE(2 ** 31 - 2, BatchPosition.lastOffsetDelta)
        batch.writeInt32BE(2 ** 31 - 1, BatchPosition.recordCount)
      }),
    'INVALID_RECORD',
  ],
]

for (const [why, batch, code] of refusals)
  test(`a batch with ${why} is refused by ${code}`, () => {
    const checked = check(batch())
    assert.equal(checked.errorCode, ErrorCode[code])
    assert.ok('errorMessage' in checked && checked.errorMessage.length > 0)
  })

test('a batch cut off anywhere is refused', () => {
  const batch = sample()
  for (let length = 1; length < batch.length; length++)
    assert.equal(check(batch.subarray(0, length)).errorCode, ErrorCode.CORRUPT_MESSAGE)
})

test('a batch may be as large as allowed and no larger', () => {
  const batch = sample()
  assert.equal(checkBatch(batch, { maxBytes: batch.length }).errorCode, ErrorCode.NONE)
  assert.equal(checkBatch(batch, { maxBytes: batch.length - 1 }).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
})

test('zstd is refused where the request is too old for it', () => {
  const batch = encodeBatch({ records, compression: 'zstd' })
  const { errorCode } = checkBatch(batch, { maxBytes: 1_000_000, zstdAllowed: false })
  assert.equal(errorCode, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
})

test('every single flipped bit from the checksum on is found', () => {
  const batch = sample()
  for (let position: number = BatchPosition.magic; position < batch.length; position++)
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(batch)
      flipped.writeUInt8(flipped.readUInt8(position) ^ (1 << bit), position)
      assert.notEqual(check(flipped).errorCode, ErrorCode.NONE, `byte ${position}, bit ${bit}`)
    }
})

test('any one to three flipped bits in a batch of any content are found', () => {
  const content = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(
      content,
      fc.uniqueArray(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 3 }),
      (values, places) => {
        const batch = encodeBatch({
          records: values.map((value) => ({ timestampMs: 1, key: null, value: Buffer.from(value), headers: [] })),
        })
        const bits = new Set(places.map((place) => Math.floor(place * (batch.length - BatchPosition.attributes) * 8)))
        for (const bit of bits) {
          const position = BatchPosition.attributes + (bit >> 3)
          batch.writeUInt8(batch.readUInt8(position) ^ (1 << (bit & 7)), position)
        }
        assert.equal(check(batch).errorCode, ErrorCode.CORRUPT_MESSAGE)
      },
    ),
  )
})

test('no bytes make the check throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.notEqual(check(Buffer.from(bytes)).errorCode, ErrorCode.NONE)
    }),
  )
})
