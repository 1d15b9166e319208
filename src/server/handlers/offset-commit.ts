import { ErrorCode } from '../../protocol/error-codes.js'
import {
  OffsetCommit,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from '../../protocol/messages/offset-commit.js'
import type { CommitRequest } from '../../state/groups/requests.js'
import { handle, type RequestContext } from '../handler.js'

/**
 * A commit to a group that does not exist is an ILLEGAL_GENERATION until v8 and GROUP_ID_NOT_FOUND from v9 on
 * (KIP-848). From v10 on topics have ids instead of names.
 */
export const offsetCommit = handle(
  OffsetCommit,
  async (request, context) => {
    const topics = context.apiVersion >= 10 ? await namedById(request, context) : namedByName(request)
    const committing = context.groups.commitOffsets({
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      generationId: request.generationIdOrMemberEpoch,
      topics: topics.filter((topic) => topic !== undefined),
    })
    // Its place among this instance's commits is fixed, so those that follow can go the same way meanwhile.
    context.proceed()
    const codes = (await committing).values()
    return answer(
      request,
      topics.map((topic) => (topic === undefined ? undefined : codes.next().value)),
      context,
    )
  },
  (request, context) =>
    answer(
      request,
      request.topics.map((topic) => topic.partitions.map(() => ErrorCode.COORDINATOR_NOT_AVAILABLE)),
      context,
    ),
)

type CommittedTopic = CommitRequest['topics'][number]

function namedByName(request: OffsetCommitRequest): CommittedTopic[] {
  return request.topics.map((topic) => ({ name: topic.name, id: null, partitions: partitionsOf(topic) }))
}

/** An unknown id is undefined; it is only called unknown behind a barrier. */
async function namedById(
  request: OffsetCommitRequest,
  { cluster }: RequestContext,
): Promise<(CommittedTopic | undefined)[]> {
  if (request.topics.some(({ topicId }) => cluster.topics.byId(topicId) === undefined)) await cluster.topics.barrier()
  return request.topics.map((topic) => {
    const name = cluster.topics.byId(topic.topicId)?.name
    return name === undefined ? undefined : { name, id: topic.topicId, partitions: partitionsOf(topic) }
  })
}

function partitionsOf(topic: OffsetCommitRequest['topics'][number]): CommittedTopic['partitions'] {
  return topic.partitions.map((each) => ({
    partition: each.partitionIndex,
    offset: each.committedOffset,
    leaderEpoch: each.committedLeaderEpoch,
    metadata: each.committedMetadata,
  }))
}

/** `errorCodes` by topic and partition, as in the request; undefined for a topic of unknown id. */
function answer(
  request: OffsetCommitRequest,
  errorCodes: readonly (readonly ErrorCode[] | undefined)[],
  { apiVersion }: RequestContext,
): OffsetCommitResponse {
  return {
    topics: request.topics.map(({ name, topicId, partitions }, i) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }, j) => {
        const errorCode = errorCodes[i]?.[j] ?? ErrorCode.UNKNOWN_TOPIC_ID
        const isOldName = errorCode === ErrorCode.GROUP_ID_NOT_FOUND && apiVersion < 9
        return { partitionIndex, errorCode: isOldName ? ErrorCode.ILLEGAL_GENERATION : errorCode }
      }),
    })),
  }
}
