import { crc32c } from './crc32c.js'
import { RecordError } from './record-error.js'

/**
 * Where the fields of a record batch (magic 2) are, in bytes from its first one:
 * https://kafka.apache.org/documentation/#recordbatch
 */
export const BatchPosition = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const

/** Bytes before the first record. */
export const batchHeaderBytes = BatchPosition.records
/** Bytes that `batchLength` does not count: the base offset and the length itself. */
export const batchOverheadBytes = BatchPosition.partitionLeaderEpoch
/** The first bytes, which the CRC does not cover and which a log fills in: base offset, length, leader epoch. */
export const patchedHeaderBytes = BatchPosition.magic
/** The smallest record: length, attributes, timestamp delta, offset delta, key, value, header count; a byte each. */
export const recordBytesMin = 7
export const magicV2 = 2

/** Names of the compression codecs; a name's index is its code in the attributes. */
export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Compression = (typeof compressions)[number]

export type TimestampType = 'createTime' | 'logAppendTime'

/** Bits of the attributes. */
export const BatchAttribute = {
  compressionMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

/** The header of a batch. Times are milliseconds since the epoch; what does not fit a safe integer is clamped to one. */
export interface BatchHeader {
  baseOffset: number
  /** Bytes after the field itself; the whole batch has `sizeInBytes`. */
  batchLength: number
  sizeInBytes: number
  partitionLeaderEpoch: number
  magic: number
  crc: number
  attributes: number
  /** Undefined for a code that Kafka does not know (5, 6, 7). */
  compression: Compression | undefined
  timestampType: TimestampType
  isTransactional: boolean
  isControl: boolean
  /** The base timestamp is not one but the time from which tombstones may go (KIP-534). */
  hasDeleteHorizon: boolean
  lastOffsetDelta: number
  baseTimestamp: number
  maxTimestamp: number
  producerId: number
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

/**
 * Reads the header of the batch (magic 2) at `position`; what it says is not checked.
 * @throws RecordError when the buffer ends within the header or the magic is not 2.
 */
export function readBatchHeader(buffer: Buffer, position = 0): BatchHeader {
  if (position < 0 || buffer.length - position < batchHeaderBytes)
    throw new RecordError('a batch ends within its header')
  const magic = buffer.readInt8(position + BatchPosition.magic)
  if (magic !== magicV2) throw new RecordError(`a batch has magic ${magic}, expected 2`)
  const attributes = attributesOf(buffer, position)
  const batchLength = buffer.readInt32BE(position + BatchPosition.batchLength)
  return {
    baseOffset: baseOffsetOf(buffer, position),
    batchLength,
    sizeInBytes: batchLength + batchOverheadBytes,
    partitionLeaderEpoch: buffer.readInt32BE(position + BatchPosition.partitionLeaderEpoch),
    magic,
    crc: buffer.readUInt32BE(position + BatchPosition.crc),
    attributes,
    compression: compressions[attributes & BatchAttribute.compressionMask],
    timestampType: (attributes & BatchAttribute.logAppendTime) === 0 ? 'createTime' : 'logAppendTime',
    isTransactional: (attributes & BatchAttribute.transactional) !== 0,
    isControl: (attributes & BatchAttribute.control) !== 0,
    hasDeleteHorizon: (attributes & BatchAttribute.deleteHorizon) !== 0,
    lastOffsetDelta: lastOffsetDeltaOf(buffer, position),
    baseTimestamp: readInt64(buffer, position + BatchPosition.baseTimestamp),
    maxTimestamp: maxTimestampOf(buffer, position),
    producerId: producerIdOf(buffer, position),
    producerEpoch: buffer.readInt16BE(position + BatchPosition.producerEpoch),
    baseSequence: buffer.readInt32BE(position + BatchPosition.baseSequence),
    recordCount: recordCountOf(buffer, position),
  }
}

// One field each, for those who need no more. The buffer is to hold the whole header from `position` on.

export function baseOffsetOf(buffer: Buffer, position = 0): number {
  return readInt64(buffer, position + BatchPosition.baseOffset)
}

/** The whole batch, in bytes. */
export function batchSizeOf(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + BatchPosition.batchLength) + batchOverheadBytes
}

export function attributesOf(buffer: Buffer, position = 0): number {
  return buffer.readInt16BE(position + BatchPosition.attributes)
}

export function isControlBatch(buffer: Buffer, position = 0): boolean {
  return (attributesOf(buffer, position) & BatchAttribute.control) !== 0
}

export function isTransactionalBatch(buffer: Buffer, position = 0): boolean {
  return (attributesOf(buffer, position) & BatchAttribute.transactional) !== 0
}

export function lastOffsetDeltaOf(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + BatchPosition.lastOffsetDelta)
}

export function lastOffsetOf(buffer: Buffer, position = 0): number {
  return baseOffsetOf(buffer, position) + lastOffsetDeltaOf(buffer, position)
}

export function maxTimestampOf(buffer: Buffer, position = 0): number {
  return readInt64(buffer, position + BatchPosition.maxTimestamp)
}

export function producerIdOf(buffer: Buffer, position = 0): number {
  return readInt64(buffer, position + BatchPosition.producerId)
}

export function recordCountOf(buffer: Buffer, position = 0): number {
  return buffer.readInt32BE(position + BatchPosition.recordCount)
}

/** Whether the CRC of the batch that fills `batch` is right. */
export function crcMatches(batch: Buffer): boolean {
  return crc32c(batch.subarray(BatchPosition.attributes)) === batch.readUInt32BE(BatchPosition.crc)
}

/**
 * The first 16 bytes of `batch` with its place in the log filled in. They are to be followed by
 * `batch.subarray(patchedHeaderBytes)`: so a batch shared with others gets its offset without a copy.
 */
export function patchedHeader(batch: Buffer, baseOffset: number, leaderEpoch: number): Buffer {
  const header = Buffer.allocUnsafe(patchedHeaderBytes)
  writeInt64(header, BatchPosition.baseOffset, baseOffset)
  header.writeInt32BE(batch.readInt32BE(BatchPosition.batchLength), BatchPosition.batchLength)
  header.writeInt32BE(leaderEpoch, BatchPosition.partitionLeaderEpoch)
  return header
}

/** Fills in the place in the log of the batch at `position`, in the buffer itself. */
export function patchInPlace(buffer: Buffer, position: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(buffer, position + BatchPosition.baseOffset, baseOffset)
  buffer.writeInt32BE(leaderEpoch, position + BatchPosition.partitionLeaderEpoch)
}

/**
 * A copy of `batch` for a topic with `message.timestamp.type=LogAppendTime`: the bit set, the time as maximum
 * timestamp (readers take it for every record), the CRC computed anew.
 */
export function withLogAppendTime(batch: Buffer, timeMs: number): Buffer {
  const copy = Buffer.from(batch)
  copy.writeInt16BE(attributesOf(batch) | BatchAttribute.logAppendTime, BatchPosition.attributes)
  writeInt64(copy, BatchPosition.maxTimestamp, timeMs)
  copy.writeUInt32BE(crc32c(copy.subarray(BatchPosition.attributes)), BatchPosition.crc)
  return copy
}

/**
 * The whole batches in `buffer`, one after another, as views; one that is cut off at the end is left out, as fetch
 * responses may have it.
 * @throws RecordError when a length can't be a batch's.
 */
export function* batchesIn(buffer: Buffer): Generator<Buffer, void, undefined> {
  let position = 0
  while (buffer.length - position >= batchOverheadBytes) {
    const size = batchSizeOf(buffer, position)
    if (size < batchHeaderBytes) throw new RecordError(`a batch claims a size of ${size} bytes`)
    if (size > buffer.length - position) return
    yield buffer.subarray(position, position + size)
    position += size
  }
}

/** Reads a signed 64-bit integer; beyond the safe integers it is clamped to the nearest of them. */
export function readInt64(buffer: Buffer, position: number): number {
  const value = buffer.readInt32BE(position) * 0x1_0000_0000 + buffer.readUInt32BE(position + 4)
  if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
  return Math.max(value, Number.MIN_SAFE_INTEGER)
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeInt64(buffer: Buffer, position: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), position)
  buffer.writeUInt32BE(value >>> 0, position + 4)
}
