import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { ListOffsetsResponse } from '../../src/protocol/messages/list-offsets.js'
import type { MetadataResponse } from '../../src/protocol/messages/metadata.js'
import { listOffsets } from '../../src/server/handlers/list-offsets.js'
import { metadata } from '../../src/server/handlers/metadata.js'
import { ConnectionLost } from './connection.js'
import type { GroupWitness } from './group-witness.js'
import type { World } from './world.js'

const listOffsetsVersion = 7
const metadataVersion = 12
const requestTimeoutMs = 3_000
const latest = -1

/** Somebody who looks how far everything is, as lag monitors do: now here, now there. */
export async function runObserver(
  world: World,
  name: string,
  random: Random,
  groups: readonly GroupWitness[],
): Promise<void> {
  while (!world.isEnding) {
    await world.clock.sleep(random.next() * 200)
    const group = groups[Math.floor(random.next() * groups.length)]
    const chance = random.next()
    try {
      if (group === undefined && chance < 0.1) await lookForTime(world, name, random)
      else if (group === undefined && world.options.administrators > 0 && chance < 0.5)
        await lookAtTopics(world, name, random)
      else if (group === undefined) await lookAtEnds(world, name, random)
      else await lookAtOffsets(world, random, group)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
}

async function lookAtEnds(world: World, who: string, random: Random): Promise<void> {
  const { history, stableTopicName: name, stablePartitions } = world
  const topic = history.topics[0]
  if (topic === undefined) return
  const indexes = Array.from({ length: stablePartitions }, (_, partition) => partition)
  const atLeast = indexes.map((partition) => history.acknowledgedEnd(topic.id, partition))
  const partitions = indexes.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: latest }))
  const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions }], timeoutMs: 0 }
  const connection = world.mustConnect(random)
  const { topics } = await connection.send<ListOffsetsResponse>(
    listOffsets,
    request,
    listOffsetsVersion,
    requestTimeoutMs,
  )
  connection.close()
  for (const { partitionIndex, errorCode, offset } of topics[0]?.partitions ?? [])
    if (errorCode === ErrorCode.NONE && Number(offset) < (atLeast[partitionIndex] ?? 0))
      history.violation(
        'stale end',
        `${who} found ${name}-${partitionIndex} to end at ${offset}, after ${atLeast[partitionIndex]}`,
      )
}

/** Metadata of all topics: those that are there for certain, and not those that are gone. */
async function lookAtTopics(world: World, who: string, random: Random): Promise<void> {
  const { history } = world
  const askedAtMs = world.now()
  const atLeast = history.livingTopics().map((topic) => ({ topic, partitionCount: topic.partitionCount }))
  const connection = world.mustConnect(random)
  const request = { topics: null, allowAutoTopicCreation: false }
  const answer = await connection.send<MetadataResponse>(metadata, request, metadataVersion, requestTimeoutMs)
  connection.close()
  const found = new Map(answer.topics.map((topic) => [topic.topicId, topic]))
  for (const { topic, partitionCount } of atLeast) {
    const count = found.get(topic.id)?.partitions.length ?? 0
    if (topic.deletionAskedAtMs === Number.POSITIVE_INFINITY && count < partitionCount)
      history.violation('metadata', `${who} found ${count} partitions of ${topic.name}, which has ${partitionCount}`)
  }
  for (const { id, name, deletedAtMs } of history.topics)
    if (deletedAtMs <= askedAtMs && found.has(id))
      history.violation('metadata', `${who} found ${name} (${id}), which had been deleted`)
}

/** The first record that is not older than a moment: whatever was acknowledged before is not left out. */
async function lookForTime(world: World, who: string, random: Random): Promise<void> {
  const { history, stableTopicName: name, stablePartitions } = world
  const topic = history.topics[0]
  if (topic === undefined) return
  const partitionIndex = Math.floor(random.next() * stablePartitions)
  const records = [...history.sent.values()].filter(
    ({ topicId, partition }) => topicId === topic.id && partition === partitionIndex,
  )
  const timestamp = records[Math.floor(random.next() * records.length)]?.timestampMs
  if (timestamp === undefined) return
  const matching = records.filter(({ offset, timestampMs }) => offset !== undefined && timestampMs >= timestamp)
  const first = Math.min(...matching.map(({ offset }) => offset ?? Number.POSITIVE_INFINITY))
  const partitions = [{ partitionIndex, currentLeaderEpoch: -1, timestamp }]
  const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions }], timeoutMs: 0 }
  const connection = world.mustConnect(random)
  const { topics } = await connection.send<ListOffsetsResponse>(
    listOffsets,
    request,
    listOffsetsVersion,
    requestTimeoutMs,
  )
  connection.close()
  const answer = topics[0]?.partitions[0]
  if (answer?.errorCode !== ErrorCode.NONE) return
  const where = `${name}-${partitionIndex}`
  const offset = Number(answer.offset)
  if (offset > first || (offset < 0 && matching.length > 0))
    history.violation('offset for time', `${who} was given ${offset} of ${where} for ${timestamp}, not ${first}`)
  if (offset >= 0 && Number(answer.timestamp) < timestamp)
    history.violation('offset for time', `${who} was given ${answer.timestamp} of ${where} for ${timestamp}`)
}

async function lookAtOffsets(world: World, random: Random, witness: GroupWitness): Promise<void> {
  const partitions = Array.from({ length: world.stablePartitions }, (_, partition) => partition)
  const atLeast = partitions.map((partition) => witness.acknowledged(partition))
  const connection = world.mustConnect(random)
  const { errorCode, topics } = await connection.call(
    ({ groups }) => groups.fetchOffsets(witness.groupId, [{ name: world.stableTopicName, partitions }]),
    requestTimeoutMs,
  )
  connection.close()
  if (errorCode !== ErrorCode.NONE) return
  for (const partition of partitions) {
    const offset = Math.max(topics[0]?.partitions[partition]?.offset ?? -1, 0)
    witness.fetched(partition, offset, atLeast[partition] ?? 0)
  }
}
