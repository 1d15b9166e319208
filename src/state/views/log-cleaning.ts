import type { TopicId } from '../cluster.js'
import { chunksOf, fromStride, holdsRanges, type ReplaceRangesCommand } from './partition-log.js'
import type { ApplyTable } from './view.js'

/**
 * What log compaction (`cleanup.policy=compact`) does to partitions: their ranges make room for others that have fewer
 * records, and how far that has come is kept. The state is `PartitionLog`'s.
 */

/**
 * Says that what is left of the records of some ranges lies in a segment of the proposer's; nothing is left if `to` is
 * empty. The records that remain have the offsets that they had. Void unless the partition still has exactly those
 * ranges side by side.
 */
export type CleanRangesCommand = ReplaceRangesCommand

/**
 * Says that all records before `to` are the last of their keys, as far as records before `to` tell, but for those that
 * must stay. Void unless the first dirty offset is still `from`.
 */
export interface MarkCleanedCommand {
  topicId: TopicId
  partition: number
  from: number
  to: number
  /** See `PartitionLog.deleteHorizonMs`. */
  deleteHorizonMs: number
}

export interface LogCleaningCommands {
  cleanRanges: { command: CleanRangesCommand; outcome: { isReplaced: boolean } }
  markCleaned: { command: MarkCleanedCommand; outcome: { isMarked: boolean } }
}

export const logCleaningApply: ApplyTable<LogCleaningCommands> = {
  cleanRanges(state, command, place) {
    const { topicId, partition, number, from } = command
    const log = state.partitions.get(topicId, partition)
    if (log === undefined || number < state.partitions.segmentsFrom) return { isReplaced: false }
    const index = log.ranges.find(from[0] as number)
    const chunks = chunksOf(command, -place.writer)
    const isWithin = (chunks.at(-1)?.endOffset ?? 0) <= (from[from.length - fromStride + 1] as number)
    if (!isWithin || !holdsRanges(log.ranges, index, from)) return { isReplaced: false }
    state.partitions.willChange(log)
    log.ranges.replace(index, from.length / fromStride, chunks)
    return { isReplaced: true }
  },

  markCleaned(state, { topicId, partition, from, to, deleteHorizonMs }) {
    const log = state.partitions.get(topicId, partition)
    if (log === undefined || log.firstDirtyOffset !== from || to < from || to > log.endOffset)
      return { isMarked: false }
    state.partitions.willChange(log)
    log.firstDirtyOffset = to
    log.deleteHorizonMs = deleteHorizonMs
    return { isMarked: true }
  },
}
