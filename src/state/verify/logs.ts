import type { Topic } from '../cluster.js'
import { homeLedger, ledgerOfPartition } from '../routing.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { State } from '../views/state.js'
import type { Damages } from './findings.js'

/** What all partitions of a ledger come to. */
export interface LogTotals {
  topics: number
  partitions: number
  records: number
  bytes: number
}

/**
 * Checks that each partition of a ledger has a place for every offset from its log start to its high watermark, and for no other.
 * Log compaction leaves gaps, at the log start too, but never at the end: the last record stays.
 */
export function checkLogs(state: State, damages: Damages, ledger = homeLedger, ledgers = 1): LogTotals {
  const totals: LogTotals = { topics: 0, partitions: 0, records: 0, bytes: 0 }
  for (const topic of state.topics.all()) {
    totals.topics++
    const logs = state.partitions.ofTopic(topic.id)
    let expected = 0
    for (let partition = 0; partition < topic.partitionCount; partition++)
      if (ledgerOfPartition(topic.id, partition, ledgers) === ledger) expected++
    if (logs.length !== expected)
      damages.add({
        problem: 'contradiction',
        message: `the topic has ${expected} partitions${ledgers === 1 ? '' : ' here'}, and logs of ${logs.length}`,
        topic: topic.name,
      })
    for (const log of logs) {
      totals.partitions++
      totals.records += log.endOffset - log.logStartOffset
      totals.bytes += log.ranges.bytes
      checkLog(topic, log, damages)
    }
  }
  return totals
}

function checkLog(topic: Topic, log: PartitionLog, damages: Damages): void {
  const { ranges, logStartOffset, endOffset, partition } = log
  const report = (offset: number, to: number, message: string) =>
    damages.add({ problem: 'contradiction', message, topic: topic.name, partition, offset, endOffset: to })
  if (logStartOffset > endOffset) report(endOffset, logStartOffset, 'the log starts after its end')
  const mayHaveGaps = log.firstDirtyOffset > 0 || topic.configs.get('cleanup.policy')?.includes('compact') === true
  // The first range may begin before the log start: it goes when all of it is deleted.
  let next = logStartOffset
  for (let index = 0; index < ranges.length; index++) {
    const { baseOffset, endOffset: rangeEnd } = ranges.at(index)
    if (baseOffset > next && !mayHaveGaps) report(next, baseOffset, 'these offsets are nowhere')
    if (baseOffset < next && (index > 0 || rangeEnd <= logStartOffset))
      report(baseOffset, Math.min(next, rangeEnd), 'these offsets are in two places, or deleted')
    next = rangeEnd
  }
  if (next < endOffset) report(next, endOffset, 'these offsets are nowhere')
  if (next > endOffset) report(endOffset, next, 'these offsets are beyond the high watermark')
}
