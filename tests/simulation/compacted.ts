import { batchesIn } from '../../src/protocol/records/batch.js'
import { decodeRecords } from '../../src/protocol/records/record.js'
import type { TopicId } from '../../src/state/cluster.js'
import type { LogBytes } from '../../src/state/log/log-bytes.js'
import { readBatches } from '../../src/state/log/reader.js'
import type { PartitionLog } from '../../src/state/views/partition-log.js'
import type { State } from '../../src/state/views/state.js'
import type { History } from './history.js'

/** Whether records of a topic make room for later ones of the same key. */
export function isCompacted(state: State, topicId: TopicId): boolean {
  return state.topics.byId(topicId)?.configs.get('cleanup.policy')?.includes('compact') ?? false
}

/** What can be read of a compacted log is what the rules say is left of it. */
export async function checkCompactedLog(
  history: History,
  bytes: LogBytes,
  log: PartitionLog,
  expected: ReadonlyMap<number, { text: string }> | undefined,
): Promise<void> {
  const where = `${log.topicId}-${log.partition}`
  const missing = new Map(expected)
  for (let next = log.logStartOffset; next < log.endOffset; ) {
    const { batches } = await readBatches(bytes, log, next, { bytesMax: 2 ** 24 })
    const before = next
    for (const batch of batchesIn(Buffer.concat(batches)))
      for (const { offset, key, value } of decodeRecords(batch)) {
        if (offset < next) continue
        if (missing.get(offset)?.text !== `${key}=${value}`)
          history.violation('divergent offset', `${where} holds ${key}=${value} at ${offset}`)
        missing.delete(offset)
        next = offset + 1
      }
    if (next === before) break
  }
  for (const [offset, { text }] of missing) history.violation('lost record', `${text} was at ${offset} in ${where}`)
}
