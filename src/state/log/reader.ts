import { CorruptObjectError } from '../../base/errors.js'
import { baseOffsetOf, batchHeaderBytes, batchSizeOf, lastOffsetDeltaOf } from '../../protocol/records/batch.js'
import type { ReadOptions, ReadResult } from '../cluster.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import { GatheredBatches } from './gathered-batches.js'
import type { LogBytes, RangeRead } from './log-bytes.js'

/**
 * Ranges that are read from the store at once for one reader, and most that are for one answer: who reads far behind
 * the tail of a log of many small entries must get something before its client gives up.
 */
const rangesAhead = 16
const storeReadsMax = 128
/** A whole batch as it lies in the store, and the offset of its first record. */
export interface PlacedBatch {
  bytes: Buffer
  baseOffset: number
  /** The offset of its last record. */
  lastOffset: number
}

/**
 * The batches of a range's bytes, each with its place in the log. Those in segments know it; between them, and after the
 * last, there may be gaps. Others follow one another from the range's beginning to its end.
 * @throws CorruptObjectError if they don't.
 */
export function* placedBatches(range: Range, pieces: readonly Buffer[]): Generator<PlacedBatch> {
  const isInSegment = range.writer < 0
  let baseOffset = range.baseOffset
  for (const piece of pieces)
    for (let at = 0; at < piece.length; ) {
      const size = piece.length - at < batchHeaderBytes ? 0 : batchSizeOf(piece, at)
      if (size < batchHeaderBytes || at + size > piece.length)
        throw new CorruptObjectError(`a stored record batch at offset ${baseOffset} has a size of ${size} bytes`)
      if (isInSegment) {
        const written = baseOffsetOf(piece, at)
        if (written < baseOffset || written + lastOffsetDeltaOf(piece, at) >= range.endOffset)
          throw new CorruptObjectError(`a stored record batch at offset ${baseOffset} claims offset ${written}`)
        baseOffset = written
      }
      const lastOffset = baseOffset + lastOffsetDeltaOf(piece, at)
      yield { bytes: piece.subarray(at, at + size), baseOffset, lastOffset }
      baseOffset = lastOffset + 1
      at += size
    }
  if (!isInSegment && baseOffset !== range.endOffset)
    throw new CorruptObjectError(
      `the batches of offsets ${range.baseOffset} to ${range.endOffset} end at ${baseOffset}`,
    )
}

/** Bytes that a read from `offset` would find, as far as the ranges tell; at most `bytesMax`. */
export function availableBytes(log: PartitionLog, offset: number, bytesMax: number): number {
  let bytes = 0
  for (let index = log.ranges.find(offset); index < log.ranges.length && bytes < bytesMax; index++)
    bytes += log.ranges.lengthAt(index)
  return Math.min(bytes, bytesMax)
}

/** Reads whole batches, the first of which contains `offset`. */
export async function readBatches(
  bytes: LogBytes,
  log: PartitionLog,
  offset: number,
  options: ReadOptions,
): Promise<ReadResult> {
  const result = new GatheredBatches(options, bytes.pool)
  const reads: Reads = new Map()
  let storeReads = 0
  try {
    for (let next = offset; !result.isFull && next < log.endOffset; ) {
      const index = log.ranges.find(next)
      if (index >= log.ranges.length) break
      const range = log.ranges.at(index)
      const name = nameOf(range)
      const found = bytes.find(range)
      let pieces = found?.pieces
      if (pieces === undefined) {
        if (!reads.has(name)) {
          if (storeReads >= storeReadsMax) break
          storeReads += readAhead(bytes, log, index, options.bytesMax - result.bytes, reads)
        }
        pieces = (await reads.get(name)?.pieces) ?? []
      }
      for (const batch of placedBatches(range, pieces)) {
        if (batch.lastOffset < next) continue
        if (!result.add(batch, found === undefined)) break
      }
      const read = reads.get(name)
      if (read !== undefined) {
        reads.delete(name)
        read.leave()
        result.took(read)
      }
      if (found !== undefined) result.took(found)
      next = range.endOffset
    }
  } finally {
    for (const read of reads.values()) {
      read.leave()
      read.release()
    }
  }
  return result.finish()
}

/** By the ranges' names: while one waits for them, others may take their places. */
type Reads = Map<string, RangeRead>
const nameOf = ({ writer, number, position, length }: Range) => `${writer}/${number}/${position}+${length}`

/**
 * Begins to read ranges from `index` on, at least one, up to so many bytes, and as long as there is room for what is read
 * ahead. Each is awaited by who needs it. How many it began.
 */
function readAhead(bytes: LogBytes, log: PartitionLog, index: number, bytesMax: number, reads: Reads): number {
  const { topicId, partition } = log
  const first = log.ranges.at(index)
  reads.set(nameOf(first), bytes.begin(topicId, partition, first))
  let length = first.length
  let begun = 1
  for (let at = index + 1; at < Math.min(index + rangesAhead, log.ranges.length); at++) {
    const range = log.ranges.at(at)
    length += range.length
    if (length > bytesMax || reads.has(nameOf(range))) break
    const read = bytes.begin(topicId, partition, range, true)
    if (read === undefined) break
    reads.set(nameOf(range), read)
    begun++
  }
  return begun
}
