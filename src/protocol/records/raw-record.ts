import { limits } from '../../base/limits.js'
import {
  BatchAttribute,
  type BatchHeader,
  BatchPosition,
  batchHeaderBytes,
  batchOverheadBytes,
  readBatchHeader,
  recordBytesMin,
  writeInt64,
} from './batch.js'
import { compress } from './compression.js'
import { crc32c } from './crc32c.js'
import { recordBytes } from './record.js'
import { RecordError } from './record-error.js'
import { readVarint, readVarlong, varintSize, varlongSize, writeVarint, writeVarlong } from './varint.js'

/** A record as it stands in its batch, of which no more is read than who removes records by key must know. */
export interface RawRecord {
  /** All of it, its length included; a view. */
  bytes: Buffer
  /** Where in `bytes` the timestamp delta begins, and ends. */
  timestampStart: number
  timestampEnd: number
  timestampDelta: number
  offsetDelta: number
  /** A view; null for none. */
  key: Buffer | null
  /** Without a value a record is a tombstone. */
  hasValue: boolean
}

/** The records of a batch, decompressed. */
export interface RawBatch {
  header: BatchHeader
  records: RawRecord[]
  /** Bytes of the records, decompressed. */
  bytes: number
}

/**
 * The records of the batch (magic 2) that fills `batch`; values and headers are not looked at.
 * @throws RecordError when the bytes are not a batch, or unpack to more than `limits.decompressedBatchBytesMax`.
 */
export function readRawBatch(batch: Buffer): RawBatch {
  const header = readBatchHeader(batch)
  if (header.sizeInBytes !== batch.length)
    throw new RecordError(`a batch claims ${header.sizeInBytes} bytes and has ${batch.length}`)
  const bytes = recordBytes(batch, header, limits.decompressedBatchBytesMax)
  const { recordCount } = header
  if (recordCount < 0 || recordCount * recordBytesMin > bytes.length)
    throw new RecordError(`a batch claims ${recordCount} records in ${bytes.length} bytes`)
  const cursor = { bytes, position: 0, end: bytes.length }
  const records: RawRecord[] = []
  let lastDelta = -1
  for (let index = 0; index < recordCount; index++) {
    const record = readRawRecord(cursor)
    if (record.offsetDelta <= lastDelta || record.offsetDelta > header.lastOffsetDelta)
      throw new RecordError(`a record claims the offset delta ${record.offsetDelta} after ${lastDelta}`)
    lastDelta = record.offsetDelta
    records.push(record)
  }
  if (cursor.position !== bytes.length) throw new RecordError('a batch has bytes after its last record')
  return { header, records, bytes: bytes.length }
}

function readRawRecord(cursor: { readonly bytes: Buffer; position: number; readonly end: number }): RawRecord {
  const { bytes } = cursor
  const start = cursor.position
  const length = readVarint(cursor)
  const end = cursor.position + length
  if (length < recordBytesMin - 1 || end > cursor.end) throw new RecordError(`a record claims ${length} bytes`)
  cursor.position++ // attributes: none is in use
  const timestampStart = cursor.position - start
  const timestampDelta = readVarlong(cursor)
  const timestampEnd = cursor.position - start
  const offsetDelta = readVarint(cursor)
  const keyLength = readVarint(cursor)
  const keyStart = cursor.position
  if (keyLength >= end - keyStart) throw new RecordError('a key is longer than its record')
  if (keyLength > 0) cursor.position += keyLength
  const key = keyLength < 0 ? null : bytes.subarray(keyStart, keyStart + keyLength)
  const hasValue = readVarint(cursor) >= 0
  if (cursor.position > end) throw new RecordError('the fields of a record are longer than it')
  cursor.position = end
  return {
    bytes: bytes.subarray(start, end),
    timestampStart,
    timestampEnd,
    timestampDelta,
    offsetDelta,
    key,
    hasValue,
  }
}

/**
 * The batch with some of its records only, at their offsets: base offset, last offset delta, codec, producer and
 * sequence stay. With `deleteHorizonMs` that becomes its base timestamp, from which tombstones in it may go (KIP-534).
 * @throws RecordError if a timestamp is so far away that it can't be computed with.
 */
export function withRecords(batch: Buffer, header: BatchHeader, kept: RawRecord[], deleteHorizonMs?: number): Buffer {
  const { baseTimestamp, compression = 'none', timestampType } = header
  const moved = deleteHorizonMs === undefined ? 0 : baseTimestamp - deleteHorizonMs
  let maxTimestamp = -1
  for (const { timestampDelta } of kept) {
    const timestampMs = baseTimestamp + timestampDelta
    const isExact = Number.isSafeInteger(timestampMs) && Number.isSafeInteger(timestampDelta + moved)
    if (!isExact || Math.abs(timestampDelta) === Number.MAX_SAFE_INTEGER)
      throw new RecordError('a timestamp of a batch is out of reach')
    maxTimestamp = Math.max(maxTimestamp, timestampMs)
  }
  if (Math.abs(baseTimestamp) === Number.MAX_SAFE_INTEGER) throw new RecordError('a base timestamp is out of reach')
  const plain = Buffer.concat(kept.map((record) => (moved === 0 ? record.bytes : withTimestampMoved(record, moved))))
  const records = compression === 'none' ? plain : compress(compression, plain)
  const result = Buffer.concat([batch.subarray(0, batchHeaderBytes), records])
  result.writeInt32BE(result.length - batchOverheadBytes, BatchPosition.batchLength)
  if (deleteHorizonMs !== undefined) {
    result.writeInt16BE(header.attributes | BatchAttribute.deleteHorizon, BatchPosition.attributes)
    writeInt64(result, BatchPosition.baseTimestamp, deleteHorizonMs)
  }
  if (timestampType === 'createTime') writeInt64(result, BatchPosition.maxTimestamp, maxTimestamp)
  result.writeInt32BE(kept.length, BatchPosition.recordCount)
  result.writeUInt32BE(crc32c(result.subarray(BatchPosition.attributes)), BatchPosition.crc)
  return result
}

/** The record with its timestamp delta changed by so much. */
function withTimestampMoved(record: RawRecord, moved: number): Buffer {
  const delta = record.timestampDelta + moved
  const rest = record.bytes.subarray(record.timestampEnd)
  const size = 1 + varlongSize(delta) + rest.length
  const bytes = Buffer.allocUnsafe(varintSize(size) + size)
  let position = writeVarint(bytes, 0, size)
  bytes[position++] = record.bytes[record.timestampStart - 1] as number
  position = writeVarlong(bytes, position, delta)
  rest.copy(bytes, position)
  return bytes
}
