import { type Random, seededRandom } from '../../../src/base/random.js'
import { batchesIn } from '../../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.js'
import type { VirtualClock } from '../virtual-clock.js'
import { hour, minute, outcomeOf, type WeekInstance } from './instances.js'

/** What the clients of a week may use. */
export interface Surroundings {
  clock: VirtualClock
  random: Random
  problems: string[]
  /** An instance that serves; undefined while there is none. */
  any(): WeekInstance | undefined
  all(): readonly WeekInstance[]
  isOver(): boolean
}

export interface WeekTopic {
  name: string
  id: string
  partitionCount: number
}

const second = 1_000
/** A producer comes back with a new id so often. */
const producerLifeMs = 3 * hour
/** The late reader is so far behind the tail: just before what retention removes. */
const lateMs = 20 * hour
const readBytes = 256 * 1024

export async function createTopic(
  around: Surroundings,
  name: string,
  partitionCount: number,
  configs: [string, string][],
): Promise<WeekTopic | undefined> {
  while (!around.isOver()) {
    const cluster = around.any()?.cluster
    const created =
      cluster &&
      (await outcomeOf(around.clock, () => cluster.topics.create({ name, partitionCount, configs: new Map(configs) })))
    // Created by an attempt whose answer was lost.
    if (created?.topic !== undefined) return { name, id: created.topic.id, partitionCount }
    await around.clock.sleep(second)
  }
  return undefined
}

/**
 * An idempotent producer that has a partition to itself: one batch of one record after the other, so that each record's
 * number must be its offset. It sends each one until it is acknowledged, and starts anew every few hours.
 */
export async function produce(
  around: Surroundings,
  topic: WeekTopic,
  partition: number,
  pauseMs: number,
): Promise<void> {
  const { clock, problems } = around
  const random = seededRandom(Math.floor(around.random.next() * 2 ** 32))
  const sleep = () => clock.sleep(pauseMs * (0.5 + random.next()))
  for (let number = 0; !around.isOver(); ) {
    const initialised = await outcomeOf(clock, async () => around.any()?.cluster?.producers.init(-1, -1))
    if (initialised === undefined) {
      await clock.sleep(second)
      continue
    }
    const { producerId } = initialised
    const until = clock.monotonic() + producerLifeMs * (0.5 + random.next())
    for (let baseSequence = 0; clock.monotonic() < until && !around.isOver(); baseSequence++) {
      const value = Buffer.from(`${number} ${'.'.repeat(random.next() * 2_000)}`)
      const record = { timestampMs: clock.now(), key: null, value, headers: [] }
      const batch = encodeBatch({ records: [record], producerId, producerEpoch: 0, baseSequence })
      for (;;) {
        const cluster = around.any()?.cluster
        const outcomes = await outcomeOf(clock, async () =>
          cluster?.logs.append([{ topicId: topic.id, partition, batch }]),
        )
        const outcome = outcomes?.[0]
        if (outcome?.errorCode === 0) {
          if (outcome.baseOffset !== number)
            problems.push(`record ${number} of ${topic.name}-${partition} was given offset ${outcome.baseOffset}`)
          break
        }
        if (outcome !== undefined) problems.push(`${topic.name}-${partition} answered ${outcome.errorCode}`)
        if (around.isOver()) return
        await clock.sleep(second)
      }
      number++
      await sleep()
    }
  }
}

/** Reads a partition at the tail, or hours behind it, and sees that each record is where its number says. */
export async function consume(
  around: Surroundings,
  topic: WeekTopic,
  partition: number,
  behindMs: number,
): Promise<void> {
  const { clock, problems } = around
  let next = 0
  while (!around.isOver()) {
    await clock.sleep(10 * minute * (0.5 + around.random.next()))
    const logs = around.any()?.cluster?.logs
    if (logs === undefined) continue
    for (let isDone = false; !isDone; ) {
      const read = await outcomeOf(clock, () => logs.read(topic.id, partition, next, { bytesMax: readBytes }))
      const start = logs.offsets(topic.id, partition)?.logStartOffset ?? 0
      if (read?.batches.length === 0 && start > next) {
        problems.push(`${topic.name}-${partition}: what follows ${next} was gone before its time, up to ${start}`)
        next = start
      }
      const records = [...batchesIn(Buffer.concat(read?.batches ?? []))].flatMap((batch) => decodeRecords(batch))
      isDone = records.length === 0
      for (const { offset, value, timestampMs } of records) {
        if (offset < next) continue
        if (timestampMs > clock.now() - behindMs) {
          isDone = true
          break
        }
        if (offset !== next || !`${value}`.startsWith(`${offset} `))
          problems.push(
            `${topic.name}-${partition}: offset ${offset} follows ${next - 1} and holds ${`${value}`.slice(0, 9)}`,
          )
        next = offset + 1
      }
    }
  }
}

export const readers = [0, lateMs]

/** Once an hour everybody writes as fast as it goes for some seconds, so that parts go through the lanes. */
export async function burst(around: Surroundings, topic: WeekTopic, ms: number): Promise<void> {
  const { clock } = around
  const until = clock.monotonic() + ms
  const writers = around.all().map(async (instance, slot) => {
    while (clock.monotonic() < until) {
      const value = Buffer.alloc(200, slot)
      const batch = encodeBatch({ records: [{ timestampMs: clock.now(), key: null, value, headers: [] }] })
      const append = async () => instance.cluster?.logs.append([{ topicId: topic.id, partition: slot, batch }])
      if (instance.isServing) void outcomeOf(clock, append)
      await clock.sleep(30)
    }
  })
  await Promise.all(writers)
}

/** A group of one member for a batch job: it joins, commits, leaves and is never heard of again. */
export async function runJob(around: Surroundings, groupId: string, topic: WeekTopic): Promise<void> {
  const { clock } = around
  const groups = around.any()?.groups
  if (groups === undefined) return
  const { signal } = new AbortController()
  await outcomeOf(clock, async () => {
    const joined = await groups.join(
      {
        groupId,
        memberId: '',
        groupInstanceId: null,
        clientId: 'job',
        clientHost: '/127.0.0.1',
        sessionTimeoutMs: 10 * second,
        rebalanceTimeoutMs: 10 * second,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from(topic.name) }],
        requiresKnownMemberId: false,
        supportsSkippingAssignment: true,
      },
      signal,
    )
    const member = { groupId, memberId: joined.memberId, groupInstanceId: null, generationId: joined.generationId }
    const assignments = [{ memberId: joined.memberId, assignment: Buffer.from('all') }]
    await groups.sync({ ...member, protocolType: null, protocolName: null, assignments }, signal)
    await groups.commitOffsets({ ...member, topics: [offsetsOf(topic, clock.now())] })
    await groups.leave(groupId, [{ memberId: joined.memberId, groupInstanceId: null }])
  })
}

/** A consumer that assigns itself its partitions, and commits where it is every minute. */
export async function commitOnAndOn(around: Surroundings, groupId: string, topic: WeekTopic): Promise<void> {
  const { clock } = around
  const request = { groupId, memberId: '', groupInstanceId: null, generationId: -1 }
  for (let offset = 0; !around.isOver(); offset++) {
    await clock.sleep(minute)
    const groups = around.any()?.groups
    if (groups !== undefined)
      await outcomeOf(clock, () => groups.commitOffsets({ ...request, topics: [offsetsOf(topic, offset)] }))
  }
}

function offsetsOf({ name, partitionCount }: WeekTopic, offset: number) {
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({
    partition,
    offset,
    leaderEpoch: -1,
    metadata: null,
  }))
  return { name, id: null, partitions }
}

/** A topic that is made for a few hours, written to, and deleted. */
export async function passingTopic(around: Surroundings, name: string): Promise<void> {
  const { clock } = around
  const topic = await createTopic(around, name, 3, [])
  if (topic === undefined) return
  for (let i = 0; i < 100; i++) {
    const batch = encodeBatch({
      records: [{ timestampMs: clock.now(), key: null, value: Buffer.alloc(500), headers: [] }],
    })
    await outcomeOf(clock, async () =>
      around.any()?.cluster?.logs.append([{ topicId: topic.id, partition: i % 3, batch }]),
    )
    await clock.sleep(minute)
  }
  for (let isDeleted = false; !isDeleted && !around.isOver(); await clock.sleep(second)) {
    const outcome = await outcomeOf(clock, async () => around.any()?.cluster?.topics.delete(topic.id))
    isDeleted = outcome !== undefined
  }
}
