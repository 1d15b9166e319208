import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type EachBatchPayload } from 'kafkajs'
import type { Role, RoleEvent } from './client.js'

/**
 * A client of the soak test: kafkajs in one role until standard input says stop, see client.ts.
 * `kafkajs-role.js BOOTSTRAP '{"role": "produce" | "member", …}'`. It is a plain producer: kafkajs' idempotent one does
 * not keep its promise across reconnections.
 */
const { Kafka, logLevel } = kafkajs
const role = JSON.parse(process.argv[3] ?? '{}') as Role
const stop = new AbortController()
/** From the beginning: a member may be told to stop while it is still joining. */
const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()))
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line.trim() === 'stop') stop.abort()
  })
  .on('close', () => stop.abort())

const tell = (event: RoleEvent) => void process.stdout.write(`${JSON.stringify(event)}\n`)
const note = (text: string) => void process.stderr.write(`${(Date.now() / 1_000).toFixed(3)} ${text}\n`)

const kafka = new Kafka({
  brokers: (process.argv[2] ?? '').split(','),
  clientId: role.name,
  requestTimeout: 10_000,
  connectionTimeout: 5_000,
  logLevel: logLevel.WARN,
  logCreator: () => (entry) => note(`${entry.log.message} ${JSON.stringify(entry.log.error ?? '')}`),
  retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 },
})

/** One batch at a time to all partitions: sent again, however often, until it is acknowledged. */
async function produce({ name, topics, flushSeconds }: Extract<Role, { role: 'produce' }>): Promise<void> {
  const producer = kafka.producer({ maxInFlightRequests: 1 })
  const sent = Object.fromEntries(topics.map((topic) => [topic.name, new Array<number>(topic.partitions).fill(0)]))
  await insist('connect', () => producer.connect())
  const everyMs = 200
  let left = 0
  while (!stop.signal.aborted) {
    for (const topic of topics) {
      const counts = sent[topic.name] ?? []
      const perPartition = Math.max(1, Math.round((topic.perSecond * everyMs) / 1_000 / topic.partitions))
      const messages = counts.flatMap((count, partition) =>
        Array.from({ length: perPartition }, (_, n) => ({
          partition,
          key: topic.keys > 0 ? `${name}-${(count + n) % topic.keys}` : null,
          value: `${name}.${partition}.${count + n}:`.padEnd(topic.bytes, 'x'),
        })),
      )
      const firsts = [...counts]
      for (const partition of counts.keys()) counts[partition] = (counts[partition] ?? 0) + perPartition
      const begun = performance.now()
      const deadline = () => (stop.signal.aborted ? flushSeconds * 1_000 : Number.POSITIVE_INFINITY)
      const answered = await insist('send', () => producer.send({ topic: topic.name, acks: -1, messages }), deadline)
      const ms = Math.round(performance.now() - begun)
      if (answered === undefined) left += messages.length
      const records = (answered ?? []).flatMap(({ partition, baseOffset }) =>
        Array.from(
          { length: perPartition },
          (_, n) =>
            [topic.name, partition, (firsts[partition] ?? 0) + n, Number(baseOffset) + n, ms] satisfies AckedRecord,
        ),
      )
      tell({ event: 'acked', records, failed: [] })
    }
    await sleep(everyMs)
  }
  tell({ event: 'sent', sent, left })
  await producer.disconnect()
}
type AckedRecord = [string, number, number, number, number]

/** Tries again until it works, or until the time is over that counts from the first attempt. */
async function insist<Result>(
  what: string,
  call: () => Promise<Result>,
  deadlineMs: () => number = () => Number.POSITIVE_INFINITY,
): Promise<Result | undefined> {
  const begun = performance.now()
  while (performance.now() - begun < deadlineMs()) {
    try {
      return await call()
    } catch (error) {
      note(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      await sleep(500)
    }
  }
  return undefined
}

/** Reads in a group, commits every batch by itself, and tells generation and owner as kafkajs gives them. */
async function member({ name, group, topic }: Extract<Role, { role: 'member' }>): Promise<void> {
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: 6_000,
    rebalanceTimeout: 10_000,
    heartbeatInterval: 1_000,
    maxWaitTimeInMs: 500,
  })
  let owned: number[] = []
  let generation: number | undefined
  let isOwnershipTold = true
  let joins = 0
  const inGeneration = (groupGenerationId: number) => {
    generation = groupGenerationId
    if (!isOwnershipTold) tell({ event: 'owns', group, member: name, generation, partitions: owned })
    isOwnershipTold = true
  }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = payload.memberAssignment[topic.name] ?? []
    generation = undefined
    isOwnershipTold = false
    joins++
  })
  consumer.on(consumer.events.HEARTBEAT, ({ payload }) => inGeneration(payload.groupGenerationId))
  consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => inGeneration(payload.groupGenerationId))
  const crashed = new Promise<void>((resolve) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      note(`crash: ${payload.error.message}, ${payload.restart ? 'restarts' : 'ends'}`)
      if (!payload.restart) resolve()
    })
  })
  const eachBatch = async ({ batch, isStale, isRunning }: EachBatchPayload) => {
    const { partition } = batch
    const last = batch.messages.at(-1)
    if (isStale() || !isRunning() || last === undefined) return
    tell({
      event: 'given',
      group,
      topic: topic.name,
      records: batch.messages.map(({ offset, value }) => [partition, Number(offset), shown(value, topic.bytes)]),
    })
    const join = joins
    const offset = Number(last.offset) + 1
    const beganMs = Date.now()
    await consumer.commitOffsets([{ topic: topic.name, partition, offset: String(offset) }])
    const endedMs = Date.now()
    // After a rebalance under way nobody knows in which generation it was.
    const told = join === joins && generation !== undefined ? { generation } : {}
    tell({ event: 'committed', group, beganMs, endedMs, offsets: [[partition, offset]], ...told })
  }
  await insist('connect', () => consumer.connect())
  await insist('subscribe', () => consumer.subscribe({ topics: [topic.name], fromBeginning: true }))
  await insist('run', () => consumer.run({ autoCommit: false, eachBatch }))
  await Promise.race([stopped, crashed])
  if (!stop.signal.aborted) process.exit(1)
  await consumer.disconnect()
}

/** A record's text without its filler; with all of it if the filler is not what was sent. */
function shown(value: Buffer | null, size: number): string {
  const text = String(value ?? '')
  const bare = text.replace(/x+$/, '')
  return text.length === Math.max(size, bare.length) ? bare : text
}

if (role.role === 'produce') await produce(role)
else if (role.role === 'member') await member(role)
else throw new Error(`kafkajs has no role ${role.role}`)
tell({ event: 'done' })
process.exit(0)
