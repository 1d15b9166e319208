import { ErrorCode } from '../../protocol/error-codes.js'
import type { Logs, ReadBatches, Reading, ReadResult, TopicId } from '../cluster.js'
import type { Ledger } from '../ledger/ledger.js'
import type { PartitionLog } from '../views/partition-log.js'
import { withCurrentRanges } from './current-ranges.js'
import type { LogBytes } from './log-bytes.js'
import { AnswerRead, availableBytes, PartitionRead } from './reader.js'
import { offsetForTime, offsetOfMaxTimestamp } from './times.js'
import { PartitionWatchers } from './watchers.js'

const nothing: ReadBatches = { batches: [], bytes: 0 }

/** Records of all partitions: appended through the ledger, read through the caches. */
export function clusterLogs(ledger: Ledger, bytes: LogBytes): Logs {
  const { state } = ledger
  const watchers = new PartitionWatchers()
  ledger.listen({ partitionChanged: (topicId, partition) => watchers.changed(topicId, partition) })
  ledger.isAwaited = () => watchers.isAwaited
  const logOf = (topicId: TopicId, partition: number) => state.partitions.get(topicId, partition)
  const current = {
    isCurrent: (log: PartitionLog) => logOf(log.topicId, log.partition) === log,
    catchUp: () => ledger.barrier(),
  }
  const rest = async (read: PartitionRead): Promise<ReadBatches> =>
    (await withCurrentRanges(read.log, current, () => read.rest())) ?? nothing
  const reading = (mayBorrow: boolean): Reading => {
    let answer: AnswerRead | undefined
    return {
      read(topicId, partition, offset, options) {
        if (answer === undefined) {
          ledger.assertCurrent()
          answer = new AnswerRead(bytes, mayBorrow)
        }
        const log = logOf(topicId, partition)
        // It was not so when the reader was let in: its next fetch is told that the offset is out of range.
        if (log === undefined || offset < log.logStartOffset) return nothing
        const read = new PartitionRead(answer, log, offset, options)
        return read.now() ? read : rest(read)
      },
      release: () => answer?.memory.release(),
    }
  }
  return {
    append: (batches) => ledger.append(batches),

    offsets: (topicId, partition) => logOf(topicId, partition)?.offsets(),

    live: logOf,

    available(topicId, partition, offset, bytesMax) {
      const log = logOf(topicId, partition)
      return log === undefined ? 0 : availableBytes(log, offset, bytesMax)
    },

    reading: () => reading(true),

    async read(topicId, partition, offset, options): Promise<ReadResult> {
      const answer = reading(false)
      const { batches, bytes: length } = await answer.read(topicId, partition, offset, options)
      return { batches, bytes: length, release: answer.release }
    },

    async deleteRecords(topicId, partition, offset) {
      if (logOf(topicId, partition) === undefined) await ledger.barrier()
      if (logOf(topicId, partition) === undefined)
        return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, logStartOffset: -1 }
      return ledger.propose('deleteRecords', { topicId, partition, offset })
    },

    watch: (partitions, wake) => watchers.watch(partitions, wake),

    async offsetForTime(topicId, partition, timestampMs) {
      const log = logOf(topicId, partition)
      return log && withCurrentRanges(log, current, () => offsetForTime(bytes, log, timestampMs))
    },

    async offsetOfMaxTimestamp(topicId, partition) {
      const log = logOf(topicId, partition)
      return log && withCurrentRanges(log, current, () => offsetOfMaxTimestamp(bytes, log))
    },
  }
}
