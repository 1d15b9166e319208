import type { TopicConfig } from '../topic-configs.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import { rangesMax } from './compaction-plan.js'

/** So many segments side by side become one, though nothing in them changes: each costs memory and a read. */
export const mergedSegmentsMin = 8

/** What of a partition can be cleaned. */
export interface Cleanable {
  /** Records before this offset can be; what is after it is not in a segment yet, or too young. */
  to: number
  /** Bytes before the first dirty offset, and from there to `to`. */
  cleanBytes: number
  dirtyBytes: number
  /** The share of these that is dirty, 0 to 1. */
  dirtyRatio: number
}

/**
 * What of a partition can be cleaned: what lies in segments, as in Kafka all but the active segment. Of what was never
 * cleaned, from the first range on with a record that is younger than `min.compaction.lag.ms`, nothing.
 */
export function cleanableOf(log: PartitionLog, config: TopicConfig, nowMs: number): Cleanable {
  const { ranges, firstDirtyOffset } = log
  let to = firstDirtyOffset
  let cleanBytes = 0
  let dirtyBytes = 0
  for (let index = 0; index < ranges.length; index++) {
    if (ranges.writerAt(index) >= 0) break
    const length = ranges.lengthAt(index)
    const endOffset = ranges.endOffsetAt(index)
    if (endOffset <= firstDirtyOffset) {
      cleanBytes += length
      continue
    }
    if (config.minCompactionLagMs > 0 && ranges.maxTimestampAt(index) > nowMs - config.minCompactionLagMs) break
    // A cleaning whose map was full may have ended within a range.
    const baseOffset = ranges.baseOffsetAt(index)
    const cleanShare = Math.max(firstDirtyOffset - baseOffset, 0) / (endOffset - baseOffset)
    cleanBytes += length * cleanShare
    dirtyBytes += length * (1 - cleanShare)
    to = endOffset
  }
  const bytes = cleanBytes + dirtyBytes
  return { to, cleanBytes, dirtyBytes, dirtyRatio: bytes === 0 ? 0 : dirtyBytes / bytes }
}

/** Ranges that one segment is to take the place of. */
export interface CleaningGroup {
  ranges: Range[]
  /** How many segments they are in. */
  segments: number
}

/** All ranges that have records before `end`, whole segments together, as many as make up to `segmentBytes`. */
export function cleaningGroups(log: PartitionLog, end: number, segmentBytes: number): CleaningGroup[] {
  const groups: CleaningGroup[] = []
  let bytes = 0
  for (const ranges of segmentsBefore(log, end)) {
    const length = ranges.reduce((sum, range) => sum + range.length, 0)
    const group = groups.at(-1)
    const isRoom = bytes + length <= segmentBytes && (group?.ranges.length ?? 0) + ranges.length <= rangesMax
    bytes = group !== undefined && isRoom ? bytes + length : length
    if (group === undefined || !isRoom) groups.push({ ranges, segments: 1 })
    else {
      group.ranges.push(...ranges)
      group.segments++
    }
  }
  return groups
}

/** Runs of ranges that are in one segment each. */
function* segmentsBefore({ ranges }: PartitionLog, end: number): Generator<Range[]> {
  let run: Range[] = []
  for (let index = 0; index < ranges.length && ranges.baseOffsetAt(index) < end; index++) {
    const range = ranges.at(index)
    const [first] = run
    if (first !== undefined && (first.writer !== range.writer || first.number !== range.number)) {
      yield run
      run = []
    }
    run.push(range)
  }
  if (run.length > 0) yield run
}
