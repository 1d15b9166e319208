import { ErrorCode } from '../error-codes.js'
import {
  type BatchHeader,
  BatchPosition,
  batchHeaderBytes,
  batchOverheadBytes,
  type Compression,
  crcMatches,
  magicV2,
  readBatchHeader,
  recordBytesMin,
} from './batch.js'

export interface BatchCheckOptions {
  /** The topic's `max.message.bytes`: the largest batch, header included, compressed. */
  maxBytes: number
  /** False for Produce before version 7, which came before zstd (KIP-110). True unless given. */
  zstdAllowed?: boolean
}

/** What a produce request must know of a batch that may be appended. */
export interface CheckedBatch {
  errorCode: typeof ErrorCode.NONE
  sizeInBytes: number
  recordCount: number
  lastOffsetDelta: number
  maxTimestamp: number
  /** -1: not idempotent. */
  producerId: number
  producerEpoch: number
  baseSequence: number
  isTransactional: boolean
  compression: Compression
}

export interface RefusedBatch {
  errorCode: Exclude<ErrorCode, typeof ErrorCode.NONE>
  errorMessage: string
}

/** Kafka's overhead of a record of magic 0, the smallest length it takes for one. */
const legacyRecordOverhead = 14

/**
 * May a client append `records`? They are to be exactly one whole batch of magic 2; its header and CRC are checked,
 * its records are not looked at. As Kafka does it in `ProduceRequest.validateRecords`, `UnifiedLog.append` and
 * `LogValidator.validateBatch`, in their order, with these differences: records of magic 0 and 1 are refused by
 * UNSUPPORTED_FOR_MESSAGE_FORMAT (Kafka: INVALID_RECORD), a batch that is cut off or followed by odd bytes is refused
 * where Kafka silently drops such bytes, and an unknown compression codec by UNSUPPORTED_COMPRESSION_TYPE
 * (Kafka: UNKNOWN_SERVER_ERROR).
 */
export function checkBatch(records: Buffer | null, options: BatchCheckOptions): CheckedBatch | RefusedBatch {
  if (records === null || records.length === 0)
    return refused(ErrorCode.INVALID_RECORD, 'a produce request must have one record batch per partition')
  const frame = checkFrame(records)
  if (frame !== undefined) return frame
  const header = readBatchHeader(records)
  if (header.compression === 'zstd' && options.zstdAllowed === false)
    return refused(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'zstd may be used from Produce version 7 on')
  if (records.length > header.sizeInBytes)
    return refused(ErrorCode.INVALID_RECORD, 'a produce request must have exactly one record batch per partition')
  if (header.baseOffset !== 0)
    return refused(ErrorCode.INVALID_RECORD, `the base offset of a batch must be 0, but it is ${header.baseOffset}`)
  if (header.sizeInBytes > options.maxBytes)
    return refused(
      ErrorCode.MESSAGE_TOO_LARGE,
      `the batch has ${header.sizeInBytes} bytes, the largest allowed is ${options.maxBytes}`,
    )
  if (!crcMatches(records)) return refused(ErrorCode.CORRUPT_MESSAGE, 'the checksum of the batch is wrong')
  const { compression } = header
  if (compression === undefined)
    return refused(
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      `unknown compression in the attributes ${header.attributes} of the batch`,
    )
  const problem = invalidHeader(header)
  if (problem !== undefined) return refused(ErrorCode.INVALID_RECORD, problem)
  if (header.timestampType === 'logAppendTime')
    return refused(ErrorCode.INVALID_TIMESTAMP, 'a producer must not set the timestamp type LogAppendTime')
  return {
    errorCode: ErrorCode.NONE,
    sizeInBytes: header.sizeInBytes,
    recordCount: header.recordCount,
    lastOffsetDelta: header.lastOffsetDelta,
    maxTimestamp: header.maxTimestamp,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    isTransactional: header.isTransactional,
    compression,
  }
}

/** Is there one whole batch of magic 2 at the start? */
function checkFrame(records: Buffer): RefusedBatch | undefined {
  if (records.length <= BatchPosition.magic)
    return refused(ErrorCode.CORRUPT_MESSAGE, `the batch is cut off after ${records.length} bytes`)
  const batchLength = records.readInt32BE(BatchPosition.batchLength)
  if (batchLength < legacyRecordOverhead)
    return refused(ErrorCode.CORRUPT_MESSAGE, `the batch claims a length of ${batchLength} bytes`)
  const magic = records.readInt8(BatchPosition.magic)
  if (magic === 0 || magic === 1)
    return refused(ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, `records of magic ${magic} are not supported, only 2`)
  if (magic !== magicV2) return refused(ErrorCode.CORRUPT_MESSAGE, `the batch has the invalid magic ${magic}`)
  const size = batchLength + batchOverheadBytes
  if (size < batchHeaderBytes || size > records.length)
    return refused(ErrorCode.CORRUPT_MESSAGE, `the batch claims ${size} bytes, ${records.length} bytes came`)
  return undefined
}

function invalidHeader(header: BatchHeader): string | undefined {
  const { recordCount, lastOffsetDelta, sizeInBytes } = header
  if (lastOffsetDelta < 0) return `the batch has an invalid last offset delta ${lastOffsetDelta}`
  if (recordCount <= 0) return `the batch has an invalid record count ${recordCount}`
  if (lastOffsetDelta + 1 !== recordCount)
    return `the last offset delta ${lastOffsetDelta} and the record count ${recordCount} of the batch disagree`
  if (header.isControl) return 'clients are not allowed to write control records'
  if (header.producerId >= 0 && header.baseSequence < 0)
    return `invalid sequence number ${header.baseSequence} in a batch of producer ${header.producerId}`
  if (header.producerId >= 0 && header.producerEpoch < 0)
    return `invalid epoch ${header.producerEpoch} in a batch of producer ${header.producerId}`
  if (header.producerId >= Number.MAX_SAFE_INTEGER) return 'the producer id of the batch is not one that was given out'
  // Records are not decoded here, but so many can't be in there: nobody shall move a log's end by a mere claim.
  if (header.compression === 'none' && recordCount * recordBytesMin > sizeInBytes - batchHeaderBytes)
    return `the batch is too short for its ${recordCount} records`
  return undefined
}

function refused(errorCode: RefusedBatch['errorCode'], errorMessage: string): RefusedBatch {
  return { errorCode, errorMessage }
}
