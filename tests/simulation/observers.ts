import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { ListOffsetsResponse } from '../../src/protocol/messages/list-offsets.js'
import { listOffsets } from '../../src/server/handlers/list-offsets.js'
import { ConnectionLost } from './connection.js'
import type { GroupWitness } from './group-witness.js'
import type { World } from './world.js'

const listOffsetsVersion = 7
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
    try {
      if (group === undefined) await lookAtEnds(world, name, random)
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
