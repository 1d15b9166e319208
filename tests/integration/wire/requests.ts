import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { batchesIn } from '../../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.js'
import type { WireClient } from './wire-client.js'

/** A record batch of these values. */
export function batchOf(values: readonly string[], timestampMs = Date.now()): Buffer {
  return encodeBatch({
    records: values.map((value) => ({ timestampMs, key: null, value: Buffer.from(value), headers: [] })),
  })
}

/** A topic of that many partitions. */
export async function createTopic(
  client: WireClient,
  name: string,
  numPartitions = 1,
  configs: { name: string; value: string | null }[] = [],
) {
  const { topics } = await client.call(CreateTopics, 7, {
    topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs }],
  })
  const [topic] = topics
  if (topic === undefined) throw new Error('no answer')
  return topic
}

export interface ProduceOptions {
  partition?: number
  acks?: number
  version?: number
  timeoutMs?: number
  transactionalId?: string | null
}

/** A Produce request by topic name. */
export function produceRequest(topic: string, records: Buffer | null, options: ProduceOptions = {}) {
  return {
    transactionalId: options.transactionalId ?? null,
    acks: options.acks ?? -1,
    timeoutMs: options.timeoutMs ?? 30_000,
    topicData: [
      {
        name: topic,
        partitionData: [{ index: options.partition ?? 0, records: records === null ? null : [records] }],
      },
    ],
  }
}

/** Produces one batch; gives the partition's answer. */
export async function produce(client: WireClient, topic: string, records: Buffer | null, options: ProduceOptions = {}) {
  const version = options.version ?? 9
  const { responses } = await client.call(Produce, version, produceRequest(topic, records, options))
  const answer = responses[0]?.partitionResponses[0]
  if (answer === undefined) throw new Error('no answer')
  return answer
}

export interface FetchOptions {
  partition?: number
  maxWaitMs?: number
  minBytes?: number
  maxBytes?: number
  partitionMaxBytes?: number
  currentLeaderEpoch?: number
}

/** A Fetch request of one partition by topic name. */
export function fetchRequest(topic: string, fetchOffset: number, options: FetchOptions = {}) {
  return {
    maxWaitMs: options.maxWaitMs ?? 0,
    minBytes: options.minBytes ?? 1,
    maxBytes: options.maxBytes ?? 50 * 1024 * 1024,
    topics: [
      {
        topic,
        partitions: [
          {
            partition: options.partition ?? 0,
            fetchOffset,
            currentLeaderEpoch: options.currentLeaderEpoch ?? -1,
            partitionMaxBytes: options.partitionMaxBytes ?? 1024 * 1024,
          },
        ],
      },
    ],
  }
}

/** Fetches one partition; gives the partition's answer with the records' values. */
export async function fetch(client: WireClient, topic: string, fetchOffset: number, options: FetchOptions = {}) {
  const { responses } = await client.call(Fetch, 12, fetchRequest(topic, fetchOffset, options))
  const answer = responses[0]?.partitions[0]
  if (answer === undefined) throw new Error('no answer')
  return { ...answer, values: valuesIn(answer.records) }
}

/** The values of the records in a fetched partition. */
export function valuesIn(records: Buffer | null): string[] {
  const values: string[] = []
  for (const batch of batchesIn(records ?? Buffer.alloc(0)))
    for (const { value } of decodeRecords(batch)) values.push(value?.toString() ?? '')
  return values
}
