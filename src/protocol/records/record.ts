import { assert } from '../../base/assert.js'
import { limits } from '../../base/limits.js'
import {
  BatchAttribute,
  type BatchHeader,
  BatchPosition,
  batchHeaderBytes,
  batchOverheadBytes,
  type Compression,
  compressions,
  magicV2,
  readBatchHeader,
  recordBytesMin,
  writeInt64,
} from './batch.js'
import { compress, decompress } from './compression.js'
import { crc32c } from './crc32c.js'
import { RecordError } from './record-error.js'
import { type Cursor, readVarint, readVarlong, varintSize, varlongSize, writeVarint, writeVarlong } from './varint.js'

/** A header of a record: application metadata, not to be taken for the batch's header. Keys may repeat. */
export interface RecordHeader {
  key: string
  value: Buffer | null
}

/** A record to be encoded; its place in the batch is its place in the list. */
export interface RecordToEncode {
  /** Milliseconds since the epoch; -1: none. */
  timestampMs: number
  key: Buffer | null
  value: Buffer | null
  headers: readonly RecordHeader[]
}

/** A record of a log. Keys and values are views into the batch, or into what it was decompressed to. */
export interface DecodedRecord extends RecordToEncode {
  offset: number
}

export interface DecodeOptions {
  /** Most bytes that compressed records may unpack to; `limits.decompressedBatchBytesMax` unless given. */
  bytesMax?: number
}

const noHeaders: readonly RecordHeader[] = Object.freeze([])

/**
 * The records of the batch (magic 2) that fills `batch`, in order. With LogAppendTime each has the batch's time.
 * Offsets are as the header and the records say, so the base offset must have been filled in. The CRC is not looked
 * at: it was checked when the batch came in (or see `crcMatches`).
 * @throws RecordError when the bytes are not a batch in every detail, or unpack to too much.
 */
export function decodeRecords(batch: Buffer, options: DecodeOptions = {}): DecodedRecord[] {
  const header = readBatchHeader(batch)
  if (header.sizeInBytes !== batch.length)
    throw new RecordError(`a batch claims ${header.sizeInBytes} bytes and has ${batch.length}`)
  const bytes = recordBytes(batch, header, options.bytesMax ?? limits.decompressedBatchBytesMax)
  const count = header.recordCount
  if (count < 0 || count * recordBytesMin > bytes.length)
    throw new RecordError(`a batch claims ${count} records in ${bytes.length} bytes`)
  const appendTime = header.timestampType === 'logAppendTime' ? header.maxTimestamp : undefined
  const cursor = { bytes, position: 0, end: bytes.length }
  const records: DecodedRecord[] = []
  for (let index = 0; index < count; index++) records.push(readRecord(cursor, header, appendTime))
  if (cursor.position !== bytes.length) throw new RecordError('a batch has bytes after its last record')
  return records
}

/**
 * The bytes of a batch's records, decompressed to at most `bytesMax`.
 * @throws RecordError when there is more, or for bytes that are not of the codec that the header names.
 */
export function recordBytes(batch: Buffer, header: BatchHeader, bytesMax: number): Buffer {
  const bytes = batch.subarray(batchHeaderBytes)
  if (header.compression === 'none') return bytes
  if (header.compression === undefined) throw new RecordError('a batch has an unknown compression')
  return decompress(header.compression, bytes, bytesMax)
}

interface BufferCursor extends Cursor {
  readonly bytes: Buffer
}

function readRecord(cursor: BufferCursor, batch: BatchHeader, appendTime: number | undefined): DecodedRecord {
  const length = readVarint(cursor)
  const end = cursor.position + length
  if (length < recordBytesMin - 1 || end > cursor.end) throw new RecordError(`a record claims ${length} bytes`)
  cursor.position++ // attributes: none is in use
  const timestampDelta = readVarlong(cursor)
  const offsetDelta = readVarint(cursor)
  if (offsetDelta < 0 || offsetDelta > batch.lastOffsetDelta)
    throw new RecordError(`a record claims the offset delta ${offsetDelta} in a batch up to ${batch.lastOffsetDelta}`)
  const key = readBytes(cursor)
  const value = readBytes(cursor)
  const headers = readHeaders(cursor)
  if (cursor.position !== end) throw new RecordError('the fields of a record do not fill it')
  return {
    offset: batch.baseOffset + offsetDelta,
    timestampMs: appendTime ?? clamped(batch.baseTimestamp + timestampDelta),
    key,
    value,
    headers,
  }
}

function readBytes(cursor: BufferCursor): Buffer | null {
  const length = readVarint(cursor)
  if (length < 0) return null
  const start = cursor.position
  if (length > cursor.end - start) throw new RecordError('a key or value is longer than its batch')
  cursor.position = start + length
  return cursor.bytes.subarray(start, start + length)
}

function readHeaders(cursor: BufferCursor): readonly RecordHeader[] {
  const count = readVarint(cursor)
  if (count === 0) return noHeaders
  // A header takes two bytes at least.
  if (count < 0 || count * 2 > cursor.end - cursor.position) throw new RecordError(`a record claims ${count} headers`)
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index++) {
    const length = readVarint(cursor)
    const start = cursor.position
    if (length < 0 || length > cursor.end - start) throw new RecordError('a header key is longer than its batch')
    cursor.position = start + length
    headers.push({ key: cursor.bytes.toString('utf8', start, start + length), value: readBytes(cursor) })
  }
  return headers
}

function clamped(timestampMs: number): number {
  return Math.max(Math.min(timestampMs, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER)
}

export interface BatchToEncode {
  /** At least one. */
  records: readonly RecordToEncode[]
  compression?: Compression
  /** 0 unless given, as a producer sends it; the log fills it in. */
  baseOffset?: number
  /** -1 unless given. */
  partitionLeaderEpoch?: number
  /** -1 (not idempotent) unless given. */
  producerId?: number
  producerEpoch?: number
  baseSequence?: number
  isTransactional?: boolean
  isControl?: boolean
}

/** One batch (magic 2) of these records, CRC included. The first record's timestamp is the base timestamp. */
export function encodeBatch(batch: BatchToEncode): Buffer {
  const { records, compression = 'none' } = batch
  const first = records[0]
  assert(first !== undefined, 'a batch has at least one record')
  const baseTimestamp = first.timestampMs
  const bodySizes = new Int32Array(records.length)
  let recordsSize = 0
  let maxTimestamp = baseTimestamp
  let index = 0
  for (const record of records) {
    const size = bodySize(record, index, record.timestampMs - baseTimestamp)
    bodySizes[index++] = size
    recordsSize += varintSize(size) + size
    if (record.timestampMs > maxTimestamp) maxTimestamp = record.timestampMs
  }
  const start = compression === 'none' ? batchHeaderBytes : 0
  const plain = Buffer.allocUnsafe(start + recordsSize)
  let position = start
  index = 0
  for (const record of records) {
    position = writeVarint(plain, position, bodySizes[index] as number)
    position = writeBody(plain, position, record, index++, record.timestampMs - baseTimestamp)
  }
  assert(position === plain.length, 'the records fill the batch')
  const encoded =
    compression === 'none' ? plain : Buffer.concat([Buffer.allocUnsafe(batchHeaderBytes), compress(compression, plain)])
  writeHeader(encoded, batch, compression, baseTimestamp, maxTimestamp)
  return encoded
}

function bodySize(record: RecordToEncode, offsetDelta: number, timestampDelta: number): number {
  let size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + varintSize(record.headers.length)
  size += bytesSize(record.key) + bytesSize(record.value)
  for (const { key, value } of record.headers) {
    const keySize = Buffer.byteLength(key)
    size += varintSize(keySize) + keySize + bytesSize(value)
  }
  return size
}

function bytesSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length
}

function writeBody(
  buffer: Buffer,
  start: number,
  record: RecordToEncode,
  offsetDelta: number,
  timestampDelta: number,
): number {
  let position = start
  buffer[position++] = 0
  position = writeVarlong(buffer, position, timestampDelta)
  position = writeVarint(buffer, position, offsetDelta)
  position = writeBytes(buffer, position, record.key)
  position = writeBytes(buffer, position, record.value)
  position = writeVarint(buffer, position, record.headers.length)
  for (const { key, value } of record.headers) {
    position = writeVarint(buffer, position, Buffer.byteLength(key))
    position += buffer.write(key, position, 'utf8')
    position = writeBytes(buffer, position, value)
  }
  return position
}

function writeBytes(buffer: Buffer, position: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, position, -1)
  const start = writeVarint(buffer, position, bytes.length)
  buffer.set(bytes, start)
  return start + bytes.length
}

function writeHeader(
  encoded: Buffer,
  batch: BatchToEncode,
  compression: Compression,
  baseTimestamp: number,
  maxTimestamp: number,
): void {
  const attributes =
    compressions.indexOf(compression) |
    (batch.isTransactional === true ? BatchAttribute.transactional : 0) |
    (batch.isControl === true ? BatchAttribute.control : 0)
  writeInt64(encoded, BatchPosition.baseOffset, batch.baseOffset ?? 0)
  encoded.writeInt32BE(encoded.length - batchOverheadBytes, BatchPosition.batchLength)
  encoded.writeInt32BE(batch.partitionLeaderEpoch ?? -1, BatchPosition.partitionLeaderEpoch)
  encoded.writeInt8(magicV2, BatchPosition.magic)
  encoded.writeInt16BE(attributes, BatchPosition.attributes)
  encoded.writeInt32BE(batch.records.length - 1, BatchPosition.lastOffsetDelta)
  writeInt64(encoded, BatchPosition.baseTimestamp, baseTimestamp)
  writeInt64(encoded, BatchPosition.maxTimestamp, maxTimestamp)
  writeInt64(encoded, BatchPosition.producerId, batch.producerId ?? -1)
  encoded.writeInt16BE(batch.producerEpoch ?? -1, BatchPosition.producerEpoch)
  encoded.writeInt32BE(batch.baseSequence ?? -1, BatchPosition.baseSequence)
  encoded.writeInt32BE(batch.records.length, BatchPosition.recordCount)
  encoded.writeUInt32BE(crc32c(encoded.subarray(BatchPosition.attributes)), BatchPosition.crc)
}
