import { messageOf, UnavailableError } from '../base/errors.js'
import { ErrorCode, errorName } from '../protocol/error-codes.js'
import { encodeBatch, type RecordToEncode } from '../protocol/records/record.js'
import type { BatchToAppend, Cluster, Topic } from '../state/cluster.js'
import { type RecordFailure, SinkError } from './component.js'

/** Largest batch that is encoded, bytes; well below Kafka's default `max.message.bytes`. */
const batchBytesMax = 512 * 1024

/** Appends records to a topic of this cluster, which is created when it is not there. */
export interface TopicWriter {
  /**
   * Appends the records in order. Resolves when those that are not among the failures are durable.
   * @param partitionOf the partition for the record at `index`, out of so many
   * @throws SinkError when the topic can't be had, or the state can't be reached.
   */
  append(
    records: readonly RecordToEncode[],
    partitionOf: (index: number, partitionCount: number) => number,
  ): Promise<RecordFailure[]>
}

/** @param partitionCount of the topic if it is to be created */
export function createTopicWriter(cluster: Cluster, name: string, partitionCount: () => number): TopicWriter {
  return {
    async append(records, partitionOf) {
      const topic = await existing(cluster, name, partitionCount)
      const isCompacted = /\bcompact\b/.test(topic.configs.get('cleanup.policy') ?? '')
      const isAccepted = (index: number) => !isCompacted || records[index]?.key !== null
      const batches = encode(records, isAccepted, (index) => partitionOf(index, topic.partitionCount))
      const outcomes = await reached(
        cluster.logs.append(batches.map(({ partition, batch }) => ({ topicId: topic.id, partition, batch }))),
      )
      const failures: RecordFailure[] = []
      records.forEach((_, index) => {
        if (!isAccepted(index))
          failures.push({
            index,
            error: new SinkError(`topic ${name} is compacted: a record needs a key`, { retry: false }),
          })
      })
      batches.forEach(({ indexes }, i) => {
        const outcome = outcomes[i]
        if (outcome === undefined || outcome.errorCode === ErrorCode.NONE) return
        const reason = outcome.errorMessage ?? errorName(outcome.errorCode)
        const error = new SinkError(`topic ${name}: ${reason}`, { retry: !permanent.has(outcome.errorCode) })
        for (const index of indexes) failures.push({ index, error })
      })
      return failures.sort((a, b) => a.index - b.index)
    },
  }
}

/** Outcomes that a second try would have again. */
const permanent: ReadonlySet<number> = new Set([
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_RECORD,
  ErrorCode.POLICY_VIOLATION,
])

interface EncodedBatch extends Omit<BatchToAppend, 'topicId'> {
  indexes: number[]
}

function encode(
  records: readonly RecordToEncode[],
  isAccepted: (index: number) => boolean,
  partitionOf: (index: number) => number,
): EncodedBatch[] {
  const open = new Map<number, { indexes: number[]; bytes: number }>()
  const groups: { partition: number; indexes: number[] }[] = []
  records.forEach((record, index) => {
    if (!isAccepted(index)) return
    const partition = partitionOf(index)
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0) + 64
    const group = open.get(partition)
    if (group !== undefined && group.bytes + bytes <= batchBytesMax) {
      group.indexes.push(index)
      group.bytes += bytes
      return
    }
    const next = { partition, indexes: [index], bytes }
    open.set(partition, next)
    groups.push(next)
  })
  return groups.map(({ partition, indexes }) => ({
    partition,
    indexes,
    batch: encodeBatch({ records: indexes.flatMap((index) => records[index] ?? []) }),
  }))
}

async function existing(cluster: Cluster, name: string, partitionCount: () => number): Promise<Topic> {
  const found = cluster.topics.byName(name)
  if (found !== undefined) return found
  const created = await reached(
    cluster.topics.create({ name, partitionCount: Math.max(1, partitionCount()), configs: new Map() }),
  )
  const topic = created.topic ?? cluster.topics.byName(name)
  if (topic !== undefined) return topic
  const reason = created.errorMessage ?? errorName(created.errorCode)
  throw new SinkError(`topic ${name} can't be created: ${reason}`, {
    retry: created.errorCode !== ErrorCode.INVALID_TOPIC_EXCEPTION,
  })
}

async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof UnavailableError) throw new SinkError(messageOf(cause), { retry: true, cause })
    throw cause
  }
}
