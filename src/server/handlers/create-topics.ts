import { limits } from '../../base/limits.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import {
  CreateTopics,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
} from '../../protocol/messages/create-topics.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import type { Topic, TopicToCreate } from '../../state/cluster.js'
import { topicConfigConflict, topicConfigProblem } from '../../state/topic-configs.js'
import { topicNameProblem } from '../../state/topic-name.js'
import { describeTopicConfigs } from '../described-configs.js'
import { handle, type RequestContext } from '../handler.js'
import { namesGivenTwice } from '../names-given-twice.js'

/** Every partition has one replica as clients see it: the object store keeps the copies. */
const replicationFactor = 1

/**
 * CreateTopics, v2–7.
 * v4: -1 for the default number of partitions and replicas. v5: the topic's configs in the answer. v7: its id.
 *
 * Any replication factor from 1 on is accepted, unlike Kafka with one broker, since clients and tools written for
 * a cluster ask for 3 and get what they want of it: the records survive any machine. The answer says 1. A manual
 * assignment gives the number of partitions; its brokers mean nothing.
 */
export const createTopics = handle(CreateTopics, async (request, context): Promise<CreateTopicsResponse> => {
  const twice = namesGivenTwice(request.topics.map(({ name }) => name))
  const once = request.topics.filter(({ name }) => !twice.has(name))
  const topics = await Promise.all(once.map((topic) => create(topic, request.validateOnly, context)))
  for (const name of twice) topics.push(failed(name, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'))
  return { topics }
})

type TopicRequest = CreateTopicsRequest['topics'][number]
type TopicAnswer = CreateTopicsResponse['topics'][number]
interface Refusal {
  errorCode: ErrorCode
  errorMessage: string
}

async function create(request: TopicRequest, validateOnly: boolean, context: RequestContext): Promise<TopicAnswer> {
  const { cluster, log, clientId } = context
  const { name } = request
  const nameProblem = topicNameProblem(name)
  if (nameProblem !== undefined) return failed(name, ErrorCode.INVALID_TOPIC_EXCEPTION, nameProblem)
  // No refusal from ignorance: who names a topic that we know may have had it deleted elsewhere.
  if (validateOnly || cluster.topics.byName(name) !== undefined) await cluster.topics.barrier()
  if (cluster.topics.byName(name) !== undefined) return exists(name)
  const wanted = topicToCreate(request, context)
  if ('errorCode' in wanted) return failed(name, wanted.errorCode, wanted.errorMessage)
  if (validateOnly) return succeeded({ ...wanted, id: ZERO_UUID })
  const { errorCode, errorMessage, topic } = await cluster.topics.create(wanted)
  if (errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) return exists(name)
  if (errorCode !== ErrorCode.NONE || topic === undefined) return failed(name, errorCode, errorMessage ?? null)
  log.info({ topic: name, partitions: topic.partitionCount, clientId }, 'topic created')
  return succeeded(topic)
}

function topicToCreate(request: TopicRequest, { config }: RequestContext): TopicToCreate | Refusal {
  const { name, numPartitions, assignments, configs } = request
  const refusal = assignments.length > 0 ? assignmentProblem(request) : countProblem(request)
  if (refusal !== undefined) return refusal
  for (const { name: configName, value } of configs) {
    const problem = topicConfigProblem(configName, value)
    if (problem !== undefined) return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: problem }
  }
  const values = new Map(configs.map((entry) => [entry.name, entry.value ?? '']))
  const conflict = topicConfigConflict(values)
  if (conflict !== undefined) return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: conflict }
  const partitionCount = assignments.length || (numPartitions === -1 ? config.defaultPartitions : numPartitions)
  if (partitionCount > limits.partitionsPerTopicMax)
    return {
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: `A topic can have at most ${limits.partitionsPerTopicMax} partitions.`,
    }
  return {
    name,
    partitionCount,
    configs: values,
  }
}

function countProblem({ numPartitions, replicationFactor: replicas }: TopicRequest): Refusal | undefined {
  if (replicas === 0 || replicas < -1)
    return {
      errorCode: ErrorCode.INVALID_REPLICATION_FACTOR,
      errorMessage: 'Replication factor must be larger than 0, or -1 to use the default value.',
    }
  if (numPartitions === 0 || numPartitions < -1)
    return {
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: 'Number of partitions was set to an invalid non-positive value.',
    }
  return undefined
}

function assignmentProblem(request: TopicRequest): Refusal | undefined {
  const { numPartitions, replicationFactor: replicas, assignments } = request
  if (replicas !== -1 || numPartitions !== -1)
    return {
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: `A manual partition assignment was specified, but ${replicas === -1 ? 'numPartitions' : 'replication factor'} was not set to -1.`,
    }
  const problem = inconsistency(assignments)
  return problem === undefined ? undefined : { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage: problem }
}

function inconsistency(assignments: TopicRequest['assignments']): string | undefined {
  const replicas = assignments[0]?.brokerIds.length ?? 0
  const indexes = new Set<number>()
  for (const { partitionIndex, brokerIds } of assignments) {
    if (indexes.has(partitionIndex))
      return `Found multiple manual partition assignments for partition ${partitionIndex}`
    indexes.add(partitionIndex)
    if (brokerIds.length === 0) return 'The manual partition assignment includes an empty replica list.'
    if (new Set(brokerIds).size < brokerIds.length)
      return `The manual partition assignment includes a broker more than once for partition ${partitionIndex}.`
    if (brokerIds.length !== replicas)
      return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${replicas} replica(s).`
  }
  for (let index = 0; index < assignments.length; index++)
    if (!indexes.has(index)) return 'partitions should be a consecutive 0-based integer sequence'
  return undefined
}

function succeeded(topic: Pick<Topic, 'name' | 'id' | 'partitionCount' | 'configs'>): TopicAnswer {
  return {
    name: topic.name,
    topicId: topic.id,
    errorCode: ErrorCode.NONE,
    numPartitions: topic.partitionCount,
    replicationFactor,
    configs: describeTopicConfigs(topic.configs),
  }
}

function exists(name: string): TopicAnswer {
  return failed(name, ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
}

function failed(name: string, errorCode: ErrorCode, errorMessage: string | null): TopicAnswer {
  return { name, errorCode, errorMessage, configs: [] }
}
