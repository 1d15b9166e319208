import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { CreateTopicsResponse } from '../../src/protocol/messages/create-topics.js'
import type { MetadataResponse } from '../../src/protocol/messages/metadata.js'
import { encodeBatch } from '../../src/protocol/records/record.js'
import { ZERO_UUID } from '../../src/protocol/schema.js'
import { createTopics } from '../../src/server/handlers/create-topics.js'
import { metadata } from '../../src/server/handlers/metadata.js'
import type { TopicId } from '../../src/state/cluster.js'
import { ConnectionLost } from './connection.js'
import type { KnownTopic } from './history.js'
import type { World } from './world.js'

const requestTimeoutMs = 5_000
const createTopicsVersion = 7
const metadataVersion = 12
const partitionsMax = 4
const namesEach = 2

/** Creates topics, gives them partitions, deletes their first records, deletes them, makes them again. */
export async function runAdministrator(world: World, name: string, random: Random): Promise<void> {
  while (!world.isEnding) {
    await world.clock.sleep(200 + random.next() * 2_000)
    await orLost(act(world, `${name}-${Math.floor(random.next() * namesEach)}`, random))
  }
}

/** Whoever asks may lose the connection before the answer. */
async function orLost(action: Promise<void>): Promise<void> {
  try {
    await action
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
  }
}

async function act(world: World, topicName: string, random: Random): Promise<void> {
  const topic = world.history.livingTopics().find(({ name }) => name === topicName)
  const chance = random.next()
  if (topic === undefined && chance < 0.3) await createAtOnce(world, topicName, random)
  else if (topic === undefined) await create(world, topicName, random)
  else if (chance < 0.1) await create(world, topicName, random)
  else if (chance < 0.25) await remove(world, topic, random)
  else if (chance < 0.5) await addPartition(world, topic, random)
  else await deleteRecords(world, topic, random)
}

/** Two ask for the same name, at two instances perhaps: when either looked it was free, and one gets it. */
async function createAtOnce(world: World, name: string, random: Random): Promise<void> {
  await Promise.all([orLost(create(world, name, random, false)), orLost(create(world, name, random, false))])
}

/** `isAlone`: nobody else asks for the name meanwhile. */
async function create(world: World, name: string, random: Random, isAlone = true): Promise<void> {
  const { history } = world
  const numPartitions = 1 + Math.floor(random.next() * 2)
  const configs: { name: string; value: string }[] = []
  if (random.next() < 0.4) configs.push({ name: 'retention.ms', value: '10000' })
  if (random.next() < 0.4) configs.push({ name: 'retention.bytes', value: '1500' })
  const known = history.livingTopics().find((topic) => topic.name === name)
  const isFree = isAlone && known === undefined && history.isGone(name)
  const connection = world.mustConnect(random)
  // Until it is answered it may have been created; if it never is, it may be created still, at any time.
  history.asksToCreate(name)
  const request = {
    topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs }],
    timeoutMs: requestTimeoutMs,
    validateOnly: false,
  }
  const { topics } = await connection.send<CreateTopicsResponse>(
    createTopics,
    request,
    createTopicsVersion,
    requestTimeoutMs,
  )
  history.wasAnswered(name)
  const answer = topics[0]
  if (answer?.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) {
    if (isFree) history.violation('refusal from ignorance', `${name} was not created, though it had been deleted`)
    if (known === undefined) await discover(world, name, random)
    return
  }
  if (answer?.errorCode !== ErrorCode.NONE || answer.topicId === undefined)
    return void history.violation('topics', `creating ${name} gave ${answer?.errorCode}`)
  // Whoever asked at the same time may have found by now what this one created.
  const other = history.livingTopics().find((topic) => topic.name === name && topic.id !== answer.topicId)
  const there = known ?? other
  if (there !== undefined)
    history.violation('topics', `${name} was created (${answer.topicId}) though it was there (${there.id})`)
  note(world, name, answer.topicId, answer.numPartitions ?? 0, configs.length > 0)
}

/** It was created by a request whose answer was lost. */
async function discover(world: World, name: string, random: Random): Promise<void> {
  const connection = world.mustConnect(random)
  const request = { topics: [{ topicId: ZERO_UUID, name }], allowAutoTopicCreation: false }
  const { topics } = await connection.send<MetadataResponse>(metadata, request, metadataVersion, requestTimeoutMs)
  const [answer] = topics
  if (answer?.errorCode !== ErrorCode.NONE || answer.topicId === undefined) return
  // Whether it has a retention nobody knows.
  note(world, name, answer.topicId, answer.partitions.length, true)
}

function note(world: World, name: string, id: TopicId, partitionCount: number, hasRetention: boolean): void {
  const { history } = world
  if (history.topic(id) !== undefined) return
  history.topics.push({
    id,
    name,
    partitionCount,
    createdAtMs: world.now(),
    deletionAskedAtMs: Number.POSITIVE_INFINITY,
    deletedAtMs: Number.POSITIVE_INFINITY,
    deletedBelow: new Map(),
    hasRetention,
  })
}

async function remove(world: World, topic: KnownTopic, random: Random): Promise<void> {
  topic.deletionAskedAtMs = world.now()
  const connection = world.mustConnect(random)
  const { errorCode } = await connection.call(({ cluster }) => cluster.topics.delete(topic.id), requestTimeoutMs)
  if (errorCode !== ErrorCode.NONE)
    return void world.history.violation('topics', `deleting ${topic.name} (${topic.id}) gave ${errorCode}`)
  topic.deletedAtMs = world.now()
  await writeToDeleted(world, topic, random)
}

/** Whoever knows of the deletion can't write to the topic any more, wherever it asks. */
async function writeToDeleted(world: World, { id, name, partitionCount }: KnownTopic, random: Random): Promise<void> {
  const records = [{ timestampMs: world.wallClock(), key: null, value: Buffer.from('late'), headers: [] }]
  const partition = Math.floor(random.next() * partitionCount)
  const batches = [{ topicId: id, partition, batch: encodeBatch({ records }) }]
  const connection = world.mustConnect(random)
  const [outcome] = await connection.call(({ cluster }) => cluster.logs.append(batches), requestTimeoutMs)
  if (outcome?.errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    world.history.violation('deleted topic', `a record for ${name}-${partition} (${id}) gave ${outcome?.errorCode}`)
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
