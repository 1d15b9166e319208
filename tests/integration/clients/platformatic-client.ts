import { once } from 'node:events'
import {
  Admin,
  type CompressionAlgorithmValue,
  Consumer,
  type Message,
  type MessagesStream,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import type { ClientRecord } from './driver.js'
import { serve } from './node-program.js'

/** A client program for the integration tests: @platformatic/kafka behind JSON lines, see driver.ts. */

type StringMessage = Message<string, string, string, string>
type StringConsumer = Consumer<string, string, string, string>

const common = {
  bootstrapBrokers: (process.argv.at(-1) ?? '').split(','),
  clientId: 'platformatic-client',
  retries: 20,
  retryDelay: 200,
}
const admin = new Admin(common)
let member: { consumer: StringConsumer; stream: MessagesStream<string, string, string, string> } | undefined

function plain(message: StringMessage): ClientRecord {
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: message.key ?? null,
    value: message.value ?? null,
    timestamp: Number(message.timestamp),
    headers: Object.fromEntries(message.headers),
  }
}

function consumerOf(groupId: string, sessionTimeout?: number): StringConsumer {
  return new Consumer({
    ...common,
    groupId,
    deserializers: stringDeserializers,
    maxWaitTime: 300,
    ...(sessionTimeout ? { sessionTimeout, rebalanceTimeout: 10_000, heartbeatInterval: 500 } : {}),
  })
}

/** @platformatic/kafka only streams in a group. Reads `count` records, commits exactly those, leaves. */
async function read(topic: string, group: string, count: number): Promise<ClientRecord[]> {
  const consumer = consumerOf(group)
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
  })
  const records: ClientRecord[] = []
  for await (const message of stream) {
    records.push(plain(message as StringMessage))
    if (records.length === count) break
  }
  const after = new Map(records.map((record) => [record.partition, record.offset + 1]))
  await consumer.commit({
    offsets: [...after].map(([partition, offset]) => ({ topic, partition, offset: BigInt(offset), leaderEpoch: -1 })),
  })
  await consumer.close(true)
  return records
}

async function listOffsets(topic: string, timestamp: number): Promise<Record<string, number>> {
  const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
  const count = topics.get(topic)?.partitionsCount ?? 0
  const partitions = Array.from({ length: count }, (_, index) => ({
    partitionIndex: index,
    timestamp: BigInt(timestamp),
  }))
  const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
  return Object.fromEntries((listed?.partitions ?? []).map((at) => [at.partitionIndex, Number(at.offset)]))
}

await serve(
  {
    create: ({ topic, partitions }) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }),
    deleteTopic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
    async produce({ topic, compression, idempotent, records }) {
      const producer = new Producer({ ...common, serializers: stringSerializers, idempotent })
      const sent = await producer.send({
        compression: compression as CompressionAlgorithmValue,
        acks: -1,
        messages: records.map(({ key, value, timestamp, partition, headers }) => ({
          topic,
          partition,
          ...(key === null ? {} : { key }),
          ...(value === null ? {} : { value }),
          ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
          ...(headers === undefined ? {} : { headers }),
        })),
      })
      await producer.close()
      return { baseOffsets: Object.fromEntries((sent.offsets ?? []).map((at) => [at.partition, Number(at.offset)])) }
    },
    consume: async ({ topic, count }) => ({ records: await read(topic, `alone-${topic}-${process.hrtime()}`, count) }),
    groupConsume: async ({ topic, group, count }) => ({ records: await read(topic, group, count) }),
    async committed({ topic, group }) {
      const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
      const partitions = found?.topics.find(({ name }) => name === topic)?.partitions ?? []
      return { offsets: Object.fromEntries(partitions.map((at) => [at.partitionIndex, Number(at.committedOffset)])) }
    },
    offsets: async ({ topic }) => ({ earliest: await listOffsets(topic, -2), latest: await listOffsets(topic, -1) }),
    offsetsForTime: async ({ topic, timestamp }) => ({ offsets: await listOffsets(topic, timestamp) }),
    listGroups: async () => ({ groups: [...(await admin.listGroups()).keys()] }),
    async describeGroup({ group }) {
      const described = (await admin.describeGroups({ groups: [group] })).get(group)
      return { state: described?.state ?? 'none', members: described?.members.size ?? 0 }
    },
    deleteGroup: ({ group }) => admin.deleteGroups({ groups: [group] }),
    async member({ topic, group, sessionTimeoutMs }, report) {
      const consumer = consumerOf(group, sessionTimeoutMs)
      consumer.on('consumer:group:join', ({ assignments }) =>
        report({
          event: 'assigned',
          partitions: assignments?.find((assignment) => assignment.topic === topic)?.partitions ?? [],
        }),
      )
      consumer.on('consumer:group:rebalance', () => report({ event: 'assigned', partitions: [] }))
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'committed',
        fallbackMode: 'earliest',
        autocommit: 500,
      })
      stream.on('data', (message) => report({ event: 'records', records: [plain(message as StringMessage)] }))
      stream.on('error', (error) => process.stderr.write(`stream: ${error.message}\n`))
      member = { consumer, stream }
    },
    async leave() {
      if (!member) return
      const closed = once(member.stream, 'close')
      await member.stream.close()
      await closed
      await member.consumer.close(true)
      member = undefined
    },
  },
  async () => {
    await member?.consumer.close(true)
    await admin.close()
  },
)
