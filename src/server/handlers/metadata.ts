import { ErrorCode } from '../../protocol/error-codes.js'
import { Metadata, type MetadataRequest, type MetadataResponse } from '../../protocol/messages/metadata.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import type { Topic } from '../../state/cluster.js'
import { topicNameProblem } from '../../state/topic-name.js'
import { clusterOperations, operationsOmitted, topicOperations } from '../authorized-operations.js'
import { type Brokers, brokersOf } from '../brokers.js'
import { handle, type RequestContext } from '../handler.js'
import { leaderEpoch } from '../leader-epoch.js'

/** Topics of one request that are created at the same time. */
const createdAtOnceMax = 100

/**
 * Metadata, v0–13. This instance as the only broker, and the leader of all partitions; with steering all instances.
 * v0: an empty list asks for all topics; from v1 on null does. v4: allowAutoTopicCreation. v10: topic ids in the
 * answer. v12: topics may be asked for by id.
 *
 * A topic that is asked for by an unknown name is created, where both sides allow it, and is there at once.
 */
export const metadata = handle(Metadata, async (request, context): Promise<MetadataResponse> => {
  const { cluster } = context
  const operations = request.includeTopicAuthorizedOperations ? topicOperations : operationsOmitted
  const topics = await findTopics(request, context)
  // Who there is was told in the ledger in which the topics are: so this is as new as they are.
  const brokers = brokersOf(context)
  return {
    brokers: [...brokers.all],
    clusterId: cluster.clusterId,
    controllerId: brokers.controllerId,
    topics: topics.map((found) => topicOf(found, brokers, operations)),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? clusterOperations : operationsOmitted,
    errorCode: ErrorCode.NONE,
  }
})

type Found = Topic | { readonly name: string | null; readonly id: string; readonly errorCode: ErrorCode }

async function findTopics(request: MetadataRequest, context: RequestContext): Promise<Found[]> {
  const { cluster, apiVersion } = context
  const wanted = request.topics
  // What was created or deleted elsewhere a moment ago must show: clients ask seldom, and act on the answer for minutes.
  await cluster.topics.barrier()
  if (wanted === null || (apiVersion === 0 && wanted.length === 0)) return [...cluster.topics.all()]
  const found = wanted.map(({ name, topicId }) => findTopic(name, topicId, context))
  if (!found.some(isUnknown)) return withoutDoubles(found)
  const created = await createMissing(request, found, context)
  return withoutDoubles(found.map((topic) => (isUnknown(topic) ? (created.get(topic.name ?? '') ?? topic) : topic)))
}

function findTopic(name: string | null, id: string, { cluster, apiVersion }: RequestContext): Found {
  const isById = id !== ZERO_UUID
  if ((isById || name === null) && apiVersion < 12)
    return { name: name ?? '', id, errorCode: ErrorCode.INVALID_REQUEST }
  if (isById) return cluster.topics.byId(id) ?? { name: null, id, errorCode: ErrorCode.UNKNOWN_TOPIC_ID }
  const topicName = name ?? ''
  const errorCode =
    topicNameProblem(topicName) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION
  return cluster.topics.byName(topicName) ?? { name: topicName, id, errorCode }
}

/** Creates the topics that were asked for by names nobody knows, if that is wanted; by their names. */
async function createMissing(
  request: MetadataRequest,
  found: readonly Found[],
  { cluster, config, log, clientId }: RequestContext,
): Promise<Map<string, Topic>> {
  const created = new Map<string, Topic>()
  if (!config.autoCreateTopics || !request.allowAutoTopicCreation) return created
  const names = new Set<string>()
  for (const topic of found)
    if ('errorCode' in topic && topic.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) names.add(topic.name ?? '')
  const waiting = [...names]
  while (waiting.length > 0) {
    const outcomes = await Promise.all(
      waiting
        .splice(0, createdAtOnceMax)
        .map((name) => cluster.topics.create({ name, partitionCount: config.defaultPartitions, configs: new Map() })),
    )
    for (const { errorCode, topic } of outcomes) {
      if (topic === undefined) continue
      created.set(topic.name, topic)
      if (errorCode === ErrorCode.NONE)
        log.info({ topic: topic.name, partitions: topic.partitionCount, clientId }, 'topic created on first use')
    }
  }
  return created
}

function isUnknown(found: Found): found is Exclude<Found, Topic> {
  return (
    'errorCode' in found &&
    (found.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || found.errorCode === ErrorCode.UNKNOWN_TOPIC_ID)
  )
}

/** Each topic once, even if it was asked for twice, as Kafka does it. */
function withoutDoubles(found: readonly Found[]): Found[] {
  return [...new Map(found.map((topic) => [`${topic.id} ${topic.name}`, topic])).values()]
}

function topicOf(found: Found, brokers: Brokers, operations: number): MetadataResponse['topics'][number] {
  if ('errorCode' in found) return { errorCode: found.errorCode, name: found.name, topicId: found.id, partitions: [] }
  return {
    errorCode: ErrorCode.NONE,
    name: found.name,
    topicId: found.id,
    partitions: Array.from({ length: found.partitionCount }, (_, partitionIndex) => {
      const leaderId = brokers.leaderOf(found.id, partitionIndex)
      const replicas = [leaderId]
      return {
        errorCode: ErrorCode.NONE,
        partitionIndex,
        leaderId,
        leaderEpoch,
        replicaNodes: replicas,
        isrNodes: replicas,
      }
    }),
    topicAuthorizedOperations: operations,
  }
}
