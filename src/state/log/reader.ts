import { CorruptObjectError } from '../../base/errors.js'
import {
  baseOffsetOf,
  batchHeaderBytes,
  batchSizeOf,
  lastOffsetDeltaOf,
  patchedHeader,
  patchedHeaderBytes,
  patchInPlace,
} from '../../protocol/records/batch.js'
import type { ReadOptions, ReadResult } from '../cluster.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import type { LogBytes, RangeRead } from './log-bytes.js'

/** Batches up to this size are copied, so that a fetch of many small ones does not become a list of many pieces, bytes. */
const copiedBytesMax = 8 * 1024
/**
 * Ranges that are read from the store at once for one reader, and most that are for one answer: who reads far behind
 * the tail of a log of many small entries must get something before its client gives up.
 */
const rangesAhead = 16
const storeReadsMax = 128
/** There is one leader for ever: the store. Its epoch never changes. */
const leaderEpoch = 0

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
  const result = new Batches(options)
  const reads: Reads = new Map()
  let storeReads = 0
  try {
    for (let next = offset; !result.isFull && next < log.endOffset; ) {
      const index = log.ranges.find(next)
      if (index >= log.ranges.length) break
      const range = log.ranges.at(index)
      const name = nameOf(range)
      let pieces = bytes.find(range)
      if (pieces === undefined) {
        if (!reads.has(name)) {
          if (storeReads >= storeReadsMax) break
          storeReads += readAhead(bytes, log, index, options.bytesMax - result.bytes, reads)
        }
        pieces = (await reads.get(name)?.pieces) ?? []
      }
      for (const batch of placedBatches(range, pieces)) {
        if (batch.lastOffset < next) continue
        if (!result.add(batch)) break
      }
      reads.get(name)?.release()
      reads.delete(name)
      next = range.endOffset
    }
  } finally {
    for (const read of reads.values()) read.release()
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

/** Collects batches for a reader, each with its offset filled in. */
class Batches {
  isFull = false
  /** Taken so far. */
  bytes = 0
  readonly #options: ReadOptions
  readonly #pieces: Buffer[] = []
  /** Small batches that stand together, still to be copied. */
  #small: PlacedBatch[] = []
  #smallBytes = 0

  constructor(options: ReadOptions) {
    this.#options = options
  }

  /** Whether it was taken; if not, nothing more is. */
  add(batch: PlacedBatch): boolean {
    const size = batch.bytes.length
    const isFirst = this.bytes === 0 && this.#options.strict !== true
    if (this.bytes + size > this.#options.bytesMax && !isFirst) {
      this.isFull = true
      return false
    }
    this.bytes += size
    if (this.bytes >= this.#options.bytesMax) this.isFull = true
    if (size <= copiedBytesMax) {
      this.#small.push(batch)
      this.#smallBytes += size
    } else {
      this.#copySmall()
      // The bytes are shared with other readers: they get their offset in a header of their own.
      this.#pieces.push(
        patchedHeader(batch.bytes, batch.baseOffset, leaderEpoch),
        batch.bytes.subarray(patchedHeaderBytes),
      )
    }
    return true
  }

  finish(): ReadResult {
    this.#copySmall()
    return { batches: this.#pieces, bytes: this.bytes }
  }

  #copySmall(): void {
    if (this.#small.length === 0) return
    const copy = Buffer.allocUnsafe(this.#smallBytes)
    let at = 0
    for (const { bytes, baseOffset } of this.#small) {
      bytes.copy(copy, at)
      patchInPlace(copy, at, baseOffset, leaderEpoch)
      at += bytes.length
    }
    this.#pieces.push(copy)
    this.#small = []
    this.#smallBytes = 0
  }
}
