import { ErrorCode } from '../../protocol/error-codes.js'
import { DeleteTopics, type DeleteTopicsResponse } from '../../protocol/messages/delete-topics.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import type { Topic } from '../../state/cluster.js'
import { handle, type RequestContext } from '../handler.js'
import { namesGivenTwice } from '../names-given-twice.js'

/** DeleteTopics, v1–6. v5: error messages. v6: topics by name or by id (KIP-516). */
export const deleteTopics = handle(DeleteTopics, async (request, context): Promise<DeleteTopicsResponse> => {
  const wanted: Wanted[] =
    context.apiVersion >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
  if (wanted.some((topic) => find(topic, context) === undefined)) await context.cluster.topics.barrier()
  const twice = namesGivenTwice(wanted.map((topic) => find(topic, context)?.name ?? topic.name ?? topic.topicId))
  const answered = new Set<string>()
  const responses: Promise<TopicAnswer>[] = []
  for (const topic of wanted) {
    const key = find(topic, context)?.name ?? topic.name ?? topic.topicId
    if (answered.has(key)) continue
    answered.add(key)
    responses.push(deleteTopic(topic, twice.has(key), context))
  }
  return { responses: await Promise.all(responses) }
})

interface Wanted {
  name: string | null
  topicId: string
}

type TopicAnswer = DeleteTopicsResponse['responses'][number]

function find({ name, topicId }: Wanted, { cluster }: RequestContext): Topic | undefined {
  return name === null ? cluster.topics.byId(topicId) : cluster.topics.byName(name)
}

async function deleteTopic(wanted: Wanted, isTwice: boolean, context: RequestContext): Promise<TopicAnswer> {
  const { name, topicId } = wanted
  const isById = topicId !== ZERO_UUID
  const failed = (errorCode: ErrorCode, errorMessage: string | null = null) => ({
    name,
    topicId,
    errorCode,
    errorMessage,
  })
  if (name !== null && isById)
    return failed(ErrorCode.INVALID_REQUEST, 'You may not specify both topic name and topic id.')
  if (name === null && !isById) return failed(ErrorCode.INVALID_REQUEST, 'Neither topic name nor id were specified.')
  if (isTwice) return failed(ErrorCode.INVALID_REQUEST, isById ? 'Duplicate topic id.' : 'Duplicate topic name.')
  const unknown = isById ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const topic = find(wanted, context)
  if (topic === undefined) return failed(unknown, 'This server does not host this topic-partition.')
  const { errorCode, errorMessage } = await context.cluster.topics.delete(topic.id)
  // Somebody else was first.
  if (errorCode === ErrorCode.UNKNOWN_TOPIC_ID) return failed(unknown, errorMessage ?? null)
  if (errorCode !== ErrorCode.NONE) return failed(errorCode, errorMessage ?? null)
  context.log.info({ topic: topic.name, clientId: context.clientId }, 'topic deleted')
  return { name: topic.name, topicId: topic.id, errorCode }
}
