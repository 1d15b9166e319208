import type { Clock } from '../../base/clock.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { ListOffsets } from '../../protocol/messages/list-offsets.js'
import { Metadata } from '../../protocol/messages/metadata.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import type { Connection } from './connection.js'
import { check, KafkaError } from './errors.js'

export interface TopicMetadata {
  name: string
  id: string
  /** Partition numbers, ascending. */
  partitions: number[]
}

/** All topics, by name. */
export async function listTopics(connection: Connection): Promise<TopicMetadata[]> {
  const { topics } = await connection.request(Metadata, { topics: null, allowAutoTopicCreation: false })
  return topics.map(topicOf).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * One topic. With `create` the gateway may create it (`auto_create_topics`); a broker that does so in the background
 * is asked again for a few seconds.
 * @throws KafkaError UNKNOWN_TOPIC_OR_PARTITION
 */
export async function topicNamed(
  connection: Connection,
  name: string,
  create?: { clock: Clock },
): Promise<TopicMetadata> {
  for (let attempt = 1; ; attempt++) {
    const answer = await connection.request(Metadata, {
      topics: [{ name, topicId: ZERO_UUID }],
      allowAutoTopicCreation: create !== undefined,
    })
    const topic = answer.topics[0]
    const code = topic?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if (topic && code === ErrorCode.NONE) return topicOf(topic)
    const mayCome = code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || code === ErrorCode.LEADER_NOT_AVAILABLE
    if (!create || !mayCome || attempt === 20) throw new KafkaError(`topic ${name}`, code)
    await create.clock.sleep(250)
  }
}

function topicOf(topic: {
  name: string | null
  topicId: string
  partitions: { partitionIndex: number }[]
}): TopicMetadata {
  const partitions = topic.partitions.map((partition) => partition.partitionIndex).sort((a, b) => a - b)
  return { name: topic.name ?? '', id: topic.topicId, partitions }
}

/** ListOffsets' special timestamps. */
export const Timestamp = { latest: -1, earliest: -2 } as const

/** The offset of a timestamp (or of a special one) in each of these partitions; -1 where there is none. */
export async function offsetsAt(
  connection: Connection,
  topic: string,
  partitions: readonly number[],
  timestamp: number,
): Promise<Map<number, number>> {
  const answer = await connection.request(ListOffsets, {
    replicaId: -1,
    topics: [{ name: topic, partitions: partitions.map((partitionIndex) => ({ partitionIndex, timestamp })) }],
  })
  const offsets = new Map<number, number>()
  for (const partition of answer.topics[0]?.partitions ?? []) {
    check(`offsets of ${topic}-${partition.partitionIndex}`, partition.errorCode)
    offsets.set(partition.partitionIndex, partition.offset)
  }
  return offsets
}
