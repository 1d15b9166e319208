import { Buffer } from 'node:buffer'
import { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import kafkajs, { type Consumer, type EachBatchPayload, type KafkaMessage } from 'kafkajs'
import type { ClientRecord, Compression } from './driver.js'
import { refused, serve } from './node-program.js'

/** A client program for the integration tests: kafkajs behind JSON lines, see driver.ts. */

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs

const compressionTypes: Partial<Record<Compression, number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
}

// kafkajs leaves these two to its users.
const bytesOf = (encoder: { buffer: Buffer }) => encoder.buffer
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder: { buffer: Buffer }) => lz4Compress(bytesOf(encoder)),
  decompress: async (buffer: Buffer) => lz4Decompress(buffer),
})
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async (encoder: { buffer: Buffer }) => snappyFramed(snappyCompress(bytesOf(encoder))),
  decompress: async (buffer: Buffer) => snappyPlain(buffer),
})

/** snappy-java's framing, which Kafka's own clients write and expect: magic, two versions, blocks after their length. */
function snappyFramed(block: Buffer): Buffer {
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
  header.writeInt32BE(block.length, 16)
  return Buffer.concat([header, block])
}

/** Takes what is framed, and what is not: librdkafka does without. */
function snappyPlain(buffer: Buffer): Buffer {
  if (buffer.readUInt32BE(0) !== 0x82534e41) return snappyDecompress(buffer)
  const blocks: Buffer[] = []
  for (let at = 16; at < buffer.length; ) {
    const length = buffer.readInt32BE(at)
    blocks.push(snappyDecompress(buffer.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

const kafka = new Kafka({
  brokers: (process.argv.at(-1) ?? '').split(','),
  clientId: 'kafkajs-client',
  logLevel: logLevel.WARN,
  logCreator: () => (entry) => process.stderr.write(`${entry.log.message} ${JSON.stringify(entry.log.error ?? '')}\n`),
  retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 },
})
const admin = kafka.admin()
await admin.connect()
let member: Consumer | undefined

function plain(partition: number, message: KafkaMessage): ClientRecord {
  const text = (value: unknown) => (value === null || value === undefined ? null : String(value))
  return {
    partition,
    offset: Number(message.offset),
    key: text(message.key),
    value: text(message.value),
    timestamp: Number(message.timestamp),
    headers: Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])),
  }
}

/** kafkajs only consumes in a group. Reads `count` records, commits exactly those, leaves. */
async function read(topic: string, groupId: string, count: number): Promise<ClientRecord[]> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 })
  const records: ClientRecord[] = []
  const enough = new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error))
    const eachBatch = async ({ batch }: EachBatchPayload) => {
      for (const message of batch.messages) {
        if (records.length < count) records.push(plain(batch.partition, message))
      }
      if (records.length === count) resolve()
    }
    consumer
      .connect()
      .then(() => consumer.subscribe({ topics: [topic], fromBeginning: true }))
      .then(() => consumer.run({ autoCommit: false, eachBatch, eachBatchAutoResolve: false }))
      .catch(reject)
  })
  try {
    await enough
    const after = new Map(records.map((record) => [record.partition, record.offset + 1]))
    await consumer.commitOffsets(
      [...after].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })),
    )
  } finally {
    await consumer.disconnect()
  }
  return records
}

function byPartition(offsets: { partition: number; offset: string }[]): Record<string, number> {
  return Object.fromEntries(offsets.map(({ partition, offset }) => [partition, Number(offset)]))
}

await serve(
  {
    async create({ topic, partitions }) {
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
    },
    deleteTopic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
    async produce({ topic, compression, idempotent, records }) {
      const type = compressionTypes[compression]
      if (type === undefined) return refused(compression)
      const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 })
      await producer.connect()
      const messages = records.map(({ timestamp, ...record }) => ({
        ...record,
        ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
      }))
      const sent = await producer.send({ topic, compression: type, acks: -1, messages })
      await producer.disconnect()
      return { baseOffsets: Object.fromEntries(sent.map((at) => [at.partition, Number(at.baseOffset)])) }
    },
    consume: async ({ topic, count }) => ({ records: await read(topic, `alone-${topic}-${process.hrtime()}`, count) }),
    groupConsume: async ({ topic, group, count }) => ({ records: await read(topic, group, count) }),
    async committed({ topic, group }) {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      return { offsets: byPartition((found?.partitions ?? []).filter(({ offset }) => offset !== '-1')) }
    },
    async offsets({ topic }) {
      const listed = await admin.fetchTopicOffsets(topic)
      return {
        earliest: byPartition(listed.map(({ partition, low }) => ({ partition, offset: low }))),
        latest: byPartition(listed.map(({ partition, high }) => ({ partition, offset: high }))),
      }
    },
    offsetsForTime: async ({ topic, timestamp }) => ({
      offsets: byPartition(await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)),
    }),
    listGroups: async () => ({ groups: (await admin.listGroups()).groups.map(({ groupId }) => groupId) }),
    async describeGroup({ group }) {
      const [described] = (await admin.describeGroups([group])).groups
      return { state: described?.state ?? 'none', members: described?.members.length ?? 0 }
    },
    deleteGroup: ({ group }) => admin.deleteGroups([group]),
    async member({ topic, group, sessionTimeoutMs }, report) {
      const consumer = kafka.consumer({
        groupId: group,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: 10_000,
        heartbeatInterval: 500,
        maxWaitTimeInMs: 300,
      })
      member = consumer
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
        report({ event: 'assigned', partitions: payload.memberAssignment[topic] ?? [] }),
      )
      consumer.on(consumer.events.REBALANCING, () => report({ event: 'assigned', partitions: [] }))
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({
        autoCommitInterval: 500,
        eachBatch: async ({ batch }) =>
          report({ event: 'records', records: batch.messages.map((message) => plain(batch.partition, message)) }),
      })
    },
    async leave() {
      await member?.disconnect()
      member = undefined
    },
  },
  async () => {
    await member?.disconnect()
    await admin.disconnect()
  },
)
