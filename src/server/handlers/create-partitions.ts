import { limits } from '../../base/limits.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import {
  CreatePartitions,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
} from '../../protocol/messages/create-partitions.js'
import type { Topic } from '../../state/cluster.js'
import { handle, type RequestContext } from '../handler.js'
import { namesGivenTwice } from '../names-given-twice.js'

/** CreatePartitions, v0–3. Raises the number of partitions of topics; a manual assignment must fit the raise. */
export const createPartitions = handle(
  CreatePartitions,
  async (request, context): Promise<CreatePartitionsResponse> => {
    const { topics } = context.cluster
    // A count that doesn't rise may be one that somebody else has just raised, or lowered by making the topic anew.
    const isDoubtful = ({ name, count }: TopicRequest) => count <= (topics.byName(name)?.partitionCount ?? count)
    if (request.topics.some(isDoubtful)) await context.cluster.topics.barrier()
    const twice = namesGivenTwice(request.topics.map(({ name }) => name))
    const once = request.topics.filter(({ name }) => !twice.has(name))
    const results = await Promise.all(once.map((topic) => create(topic, request.validateOnly, context)))
    for (const name of twice)
      results.push({ name, errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Duplicate topic name.' })
    return { results }
  },
)

type TopicRequest = CreatePartitionsRequest['topics'][number]
type TopicAnswer = CreatePartitionsResponse['results'][number]

async function create(request: TopicRequest, validateOnly: boolean, { cluster, log, clientId }: RequestContext) {
  const { name, count } = request
  const topic = cluster.topics.byName(name)
  if (topic === undefined)
    return failed(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.')
  const refusal = problemOf(request, topic)
  if (refusal !== undefined) return refusal
  if (!validateOnly) {
    const { errorCode, errorMessage } = await cluster.topics.createPartitions(topic.id, count)
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_ID)
      return failed(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage ?? null)
    if (errorCode !== ErrorCode.NONE) return failed(name, errorCode, errorMessage ?? null)
    log.info({ topic: name, partitions: count, clientId }, 'partitions created')
  }
  return failed(name, ErrorCode.NONE, null)
}

function problemOf({ name, count, assignments }: TopicRequest, topic: Topic): TopicAnswer | undefined {
  const current = topic.partitionCount
  if (count === current) return failed(name, ErrorCode.INVALID_PARTITIONS, `Topic already has ${current} partition(s).`)
  if (count < current)
    return failed(
      name,
      ErrorCode.INVALID_PARTITIONS,
      `The topic ${name} currently has ${current} partition(s); ${count} would not be an increase.`,
    )
  if (count > limits.partitionsPerTopicMax)
    return failed(
      name,
      ErrorCode.INVALID_PARTITIONS,
      `A topic can have at most ${limits.partitionsPerTopicMax} partitions.`,
    )
  if (assignments === null) return undefined
  if (assignments.length !== count - current)
    return failed(
      name,
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${count - current} additional partition(s), but ${assignments.length} assignment(s) were specified.`,
    )
  if (assignments.some(({ brokerIds }) => brokerIds.length === 0 || new Set(brokerIds).size < brokerIds.length))
    return failed(
      name,
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      'The manual partition assignment includes an empty replica list, or a broker more than once.',
    )
  return undefined
}

function failed(name: string, errorCode: ErrorCode, errorMessage: string | null): TopicAnswer {
  return { name, errorCode, errorMessage }
}
