import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { TopicOutcome } from '../../src/state/cluster.js'
import { ConnectionLost } from './connection.js'
import type { KnownTopic } from './history.js'
import type { World } from './world.js'

const requestTimeoutMs = 5_000
const partitionsMax = 4
const namesEach = 2

/** Creates topics, gives them partitions, deletes their first records, deletes them, makes them again. */
export async function runAdministrator(world: World, name: string, random: Random): Promise<void> {
  while (!world.isEnding) {
    await world.clock.sleep(200 + random.next() * 2_000)
    try {
      await act(world, `${name}-${Math.floor(random.next() * namesEach)}`, random)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
}

async function act(world: World, topicName: string, random: Random): Promise<void> {
  const topic = world.history.livingTopics().find(({ name }) => name === topicName)
  const chance = random.next()
  if (topic === undefined) await create(world, topicName, random)
  else if (chance < 0.1) await create(world, topicName, random)
  else if (chance < 0.25) await remove(world, topic, random)
  else if (chance < 0.5) await addPartition(world, topic, random)
  else await deleteRecords(world, topic, random)
}

async function create(world: World, name: string, random: Random): Promise<void> {
  const { history } = world
  const partitionCount = 1 + Math.floor(random.next() * 2)
  const hasRetention = random.next() < 0.5
  const configs = new Map(hasRetention ? [['retention.ms', '10000']] : [])
  const known = history.livingTopics().find((topic) => topic.name === name)
  const connection = world.mustConnect(random)
  const outcome = await connection.call<TopicOutcome>(
    ({ cluster }) => cluster.topics.create({ name, partitionCount, configs }),
    requestTimeoutMs,
  )
  const { topic, errorCode } = outcome
  if (topic === undefined) return history.violation('topics', `creating ${name} gave ${errorCode} and no topic`)
  if (known !== undefined && (errorCode === ErrorCode.NONE || topic.id !== known.id))
    history.violation('topics', `${name} was created (${topic.id}) though it was there (${known.id})`)
  if (history.topic(topic.id) !== undefined) return
  history.topics.push({
    id: topic.id,
    name,
    partitionCount: topic.partitionCount,
    createdAtMs: world.now(),
    deletionAskedAtMs: Number.POSITIVE_INFINITY,
    deletedBelow: new Map(),
    hasRetention: topic.configs.has('retention.ms'),
  })
}

async function remove(world: World, topic: KnownTopic, random: Random): Promise<void> {
  topic.deletionAskedAtMs = world.now()
  const connection = world.mustConnect(random)
  const { errorCode } = await connection.call(({ cluster }) => cluster.topics.delete(topic.id), requestTimeoutMs)
  if (errorCode !== ErrorCode.NONE)
    world.history.violation('topics', `deleting ${topic.name} (${topic.id}) gave ${errorCode}`)
}

async function addPartition(world: World, topic: KnownTopic, random: Random): Promise<void> {
  const count = topic.partitionCount + 1
  if (count > partitionsMax) return
  const connection = world.mustConnect(random)
  const outcome = await connection.call(
    ({ cluster }) => cluster.topics.createPartitions(topic.id, count),
    requestTimeoutMs,
  )
  if (outcome.errorCode !== ErrorCode.NONE && outcome.errorCode !== ErrorCode.INVALID_PARTITIONS)
    world.history.violation('topics', `partitions of ${topic.name} gave ${outcome.errorCode}`)
  topic.partitionCount = Math.max(topic.partitionCount, outcome.topic?.partitionCount ?? 0)
}

async function deleteRecords(world: World, topic: KnownTopic, random: Random): Promise<void> {
  const { history } = world
  const partition = Math.floor(random.next() * topic.partitionCount)
  const offset = Math.floor(history.acknowledgedEnd(topic.id, partition) * random.next())
  topic.deletedBelow.set(partition, Math.max(topic.deletedBelow.get(partition) ?? 0, offset))
  const connection = world.mustConnect(random)
  const answer = await connection.call(
    ({ cluster }) => cluster.logs.deleteRecords(topic.id, partition, offset),
    requestTimeoutMs,
  )
  if (answer.errorCode !== ErrorCode.NONE || answer.logStartOffset < offset)
    history.violation('topics', `deleting records of ${topic.name} below ${offset} gave ${JSON.stringify(answer)}`)
  else history.noteLogStart(topic.id, partition, answer.logStartOffset)
}
