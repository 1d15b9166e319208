import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import type { Durability, Server } from './servers/server.js'

const settleMs = 300

export interface TopicOptions {
  partitions: number
  durability: Durability
  /** The topic could not be deleted afterwards; what was measured stands. */
  onComplaint(what: string): void
}

/** Does something with a new topic of which every partition's leader answers, and deletes it. */
export async function withTopic<T>(
  server: Server,
  topic: string,
  { partitions, durability, onComplaint }: TopicOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { Kafka, logLevel } = kafkajs
  const admin = new Kafka({ brokers: [server.bootstrap], clientId: 'bench', logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const configEntries = durability === 'fsync' ? [...server.fsyncTopicConfig] : []
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: false })
    try {
      await untilThere(admin, topic, partitions)
      return await work()
    } finally {
      await admin.deleteTopics({ topics: [topic] }).catch((error: unknown) => {
        onComplaint(`topic ${topic} could not be deleted: ${reasonOf(error)}`)
      })
    }
  } finally {
    await admin.disconnect()
  }
}

async function untilThere(admin: kafkajs.Admin, topic: string, partitions: number): Promise<void> {
  const deadline = performance.now() + 30_000
  for (;;) {
    const offsets = await admin.fetchTopicOffsets(topic).catch((error: unknown) => reasonOf(error))
    if (typeof offsets !== 'string' && offsets.length === partitions) break
    if (performance.now() > deadline) throw new Error(`topic ${topic} does not appear: ${JSON.stringify(offsets)}`)
    await sleep(20)
  }
  // What the server does on after a topic's creation is not the load's cost.
  await sleep(settleMs)
}

/** A failed program's stderr says more than its exit code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stderr = 'stderr' in error ? String(error.stderr).trim() : ''
  return stderr === '' ? error.message : stderr.slice(-1500)
}
