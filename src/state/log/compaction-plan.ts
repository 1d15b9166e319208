import type { RangeTable } from '../views/ranges.js'
import { isBefore, type Mark } from './ages.js'

/** Ranges that become one segment, at most. */
export const rangesMax = 4_096
/** So many flushed ranges are worth a segment, however small they are: each costs memory and a read. */
const rangesWorthASegment = 1_024

export interface PlanOptions {
  segmentBytes: number
  /** What came later is read at the tail, and stays where it is. */
  settled: Mark
  /** What came before goes into a segment, however small: it keeps entries of the ledger from being deleted. */
  old: Mark | undefined
  /** Segments that begin before this offset stay as they are; 0 unless given. */
  mergeFrom?: number
}

/** Ranges side by side that are to become one segment. */
export interface Run {
  index: number
  count: number
  bytes: number
}

/**
 * The next run of a partition to be compacted, if any is due. A log is segments first, then flushed ranges: the oldest of
 * these are taken, and the segments before them too as long as each is no larger than all that follows it. So a record
 * is rewritten at most log₂(segmentBytes / smallest run) times, and of small segments there are no more than that.
 */
export function nextRun(ranges: RangeTable, options: PlanOptions): Run | undefined {
  const { segmentBytes, settled, old, mergeFrom = 0 } = options
  let index = firstFlushed(ranges)
  let bytes = 0
  let end = index
  for (; end < ranges.length && end - index < rangesMax && bytes < segmentBytes; end++) {
    if (!isBefore(objectAt(ranges, end), settled)) break
    bytes += ranges.lengthAt(end)
  }
  if (end === index) return undefined
  const isLarge = bytes >= segmentBytes || end - index >= rangesWorthASegment
  if (!isLarge && (old === undefined || !isBefore(objectAt(ranges, index), old))) return undefined
  for (;;) {
    const segment = segmentBefore(ranges, index)
    const isSmall = segment.count > 0 && segment.bytes <= bytes && segment.bytes + bytes <= segmentBytes
    if (!isSmall || end - index + segment.count > rangesMax) break
    if (ranges.baseOffsetAt(index - segment.count) < mergeFrom) break
    index -= segment.count
    bytes += segment.bytes
  }
  return { index, count: end - index, bytes }
}

function objectAt(ranges: RangeTable, index: number) {
  return { writer: ranges.writerAt(index), number: ranges.numberAt(index) }
}

/** The index of the first range that is not in a segment. */
function firstFlushed(ranges: RangeTable): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ranges.writerAt(middle) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** How many ranges, and bytes of them, the segment has whose last range is just before `index`. */
function segmentBefore(ranges: RangeTable, index: number): { count: number; bytes: number } {
  if (index === 0) return { count: 0, bytes: 0 }
  const last = objectAt(ranges, index - 1)
  let count = 0
  let bytes = 0
  for (; count < index; count++) {
    const { writer, number } = objectAt(ranges, index - 1 - count)
    if (writer !== last.writer || number !== last.number) break
    bytes += ranges.lengthAt(index - 1 - count)
  }
  return { count, bytes }
}
