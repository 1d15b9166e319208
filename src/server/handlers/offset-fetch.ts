import { ErrorCode } from '../../protocol/error-codes.js'
import { OffsetFetch, type OffsetFetchRequest } from '../../protocol/messages/offset-fetch.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import type { FetchedOffset } from '../../state/groups/listing.js'
import { handle, type RequestContext } from '../handler.js'

/**
 * Until v7 for one group, from v8 on for several. v1 has no error code of its own, so each partition carries it.
 * From v10 on topics have ids instead of names.
 */
export const offsetFetch = handle(
  OffsetFetch,
  async (request, context) =>
    context.apiVersion < 8
      ? fetchOne(request, context)
      : { groups: await Promise.all(request.groups.map((group) => fetchGroup(group, context))) },
  (request) => ({
    topics: [],
    errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    groups: request.groups.map(({ groupId }) => ({
      groupId,
      topics: [],
      errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    })),
  }),
)

type GroupRequest = OffsetFetchRequest['groups'][number]

async function fetchOne(request: OffsetFetchRequest, { apiVersion, groups }: RequestContext) {
  const wanted = request.topics?.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes })) ?? null
  const { errorCode, topics } = await groups.fetchOffsets(request.groupId, wanted)
  if (errorCode === ErrorCode.NONE || apiVersion >= 2)
    return { errorCode, topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(found) })) }
  return {
    topics: (wanted ?? []).map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => missing(partition, errorCode)),
    })),
  }
}

async function fetchGroup({ groupId, topics: wanted }: GroupRequest, context: RequestContext) {
  if (context.apiVersion >= 10) return fetchGroupById({ groupId, topics: wanted }, context)
  const { errorCode, topics } = await context.groups.fetchOffsets(
    groupId,
    wanted?.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes })) ?? null,
  )
  return {
    groupId,
    errorCode,
    topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(found) })),
  }
}

async function fetchGroupById(
  { groupId, topics: wanted }: Pick<GroupRequest, 'groupId' | 'topics'>,
  context: RequestContext,
) {
  const { topics: known } = context.cluster
  // All of them, whose ids are looked up when the tail is confirmed.
  const { errorCode, topics } = await context.groups.fetchOffsets(groupId, null)
  if (errorCode !== ErrorCode.NONE) return { groupId, errorCode, topics: [] }
  // The group may be in another ledger than the topics.
  const isUnknown =
    wanted === null
      ? topics.some(({ name }) => known.byName(name) === undefined)
      : wanted.some(({ topicId }) => known.byId(topicId) === undefined)
  if (isUnknown) await known.barrier()
  const offsets = new Map(
    topics.map(({ name, partitions }) => [name, new Map(partitions.map((each) => [each.partition, each]))]),
  )
  if (wanted === null)
    return {
      groupId,
      errorCode,
      topics: topics.map(({ name, partitions }) => ({
        topicId: known.byName(name)?.id ?? ZERO_UUID,
        partitions: partitions.map(found),
      })),
    }
  return {
    groupId,
    errorCode,
    topics: wanted.map(({ topicId, partitionIndexes }) => {
      const name = known.byId(topicId)?.name
      const stored = name === undefined ? undefined : offsets.get(name)
      const whenMissing = name === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.NONE
      return {
        topicId,
        partitions: partitionIndexes.map((partition) => {
          const offset = stored?.get(partition)
          return offset === undefined ? missing(partition, whenMissing) : found(offset)
        }),
      }
    }),
  }
}

function found({ partition, offset, leaderEpoch, metadata }: FetchedOffset) {
  return {
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: ErrorCode.NONE as ErrorCode,
  }
}

function missing(partition: number, errorCode: ErrorCode) {
  return { partitionIndex: partition, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
}
