import { AssertionError } from '../../base/assert.js'
import { messageOf } from '../../base/errors.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { ListOffsets, type ListOffsetsRequest, type ListOffsetsResponse } from '../../protocol/messages/list-offsets.js'
import { handle, type RequestContext } from '../handler.js'
import { leaderEpoch, leaderEpochProblem } from '../leader-epoch.js'

/** Timestamps that ask for a place instead, and the version from which on they do. */
const Place = {
  latest: -1,
  earliest: -2,
  maxTimestamp: -3,
  earliestLocal: -4,
  lastTiered: -5,
  earliestPendingUpload: -6,
} as const
const placeSince: Readonly<Record<number, number>> = { [-1]: 1, [-2]: 1, [-3]: 7, [-4]: 8, [-5]: 9, [-6]: 11 }

const readCommitted = 1

/**
 * ListOffsets, v1–11. Finds offsets by timestamp or by place, behind a barrier: a client that was told of a record
 * by anybody sees it counted. There is no tiered storage, so everything is local and nothing is tiered.
 * v2: isolationLevel. v4: leader epochs. v7: the record with the largest timestamp (KIP-734).
 */
export const listOffsets = handle(ListOffsets, async (request, context): Promise<ListOffsetsResponse> => {
  await context.cluster.barrier()
  const isDouble = doubles(request)
  return {
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map((partition) =>
            isDouble(name, partition.partitionIndex)
              ? failed(partition, ErrorCode.INVALID_REQUEST)
              : findOffset(name, partition, request.isolationLevel, context),
          ),
        ),
      })),
    ),
  }
})

type PartitionRequest = ListOffsetsRequest['topics'][number]['partitions'][number]
type PartitionAnswer = ListOffsetsResponse['topics'][number]['partitions'][number]

async function findOffset(
  topicName: string,
  partition: PartitionRequest,
  isolationLevel: number,
  { cluster, apiVersion, log }: RequestContext,
): Promise<PartitionAnswer> {
  const { logs } = cluster
  const { partitionIndex, timestamp } = partition
  if (timestamp < 0 && apiVersion < (placeSince[timestamp] ?? Number.POSITIVE_INFINITY))
    return failed(partition, ErrorCode.UNSUPPORTED_VERSION)
  const topicId = cluster.topics.byName(topicName)?.id
  const offsets = topicId === undefined ? undefined : logs.offsets(topicId, partitionIndex)
  if (topicId === undefined || offsets === undefined) return failed(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const epochProblem = leaderEpochProblem(partition.currentLeaderEpoch)
  if (epochProblem !== ErrorCode.NONE) return failed(partition, epochProblem)

  const at = (offset: number, timestampMs = -1) => ({
    partitionIndex,
    errorCode: ErrorCode.NONE,
    timestamp: timestampMs,
    offset,
    leaderEpoch,
  })
  try {
    switch (timestamp) {
      case Place.latest:
        return at(isolationLevel === readCommitted ? offsets.lastStableOffset : offsets.highWatermark)
      case Place.earliest:
      case Place.earliestLocal:
        return at(offsets.logStartOffset)
      case Place.lastTiered:
      case Place.earliestPendingUpload:
        return notFound(partitionIndex)
      default: {
        const found =
          timestamp === Place.maxTimestamp
            ? await logs.offsetOfMaxTimestamp(topicId, partitionIndex)
            : await logs.offsetForTime(topicId, partitionIndex, timestamp)
        return found === undefined ? notFound(partitionIndex) : at(found.offset, found.timestampMs)
      }
    }
  } catch (error) {
    if (error instanceof AssertionError) throw error
    log.warn({ topic: topicName, partition: partitionIndex, problem: messageOf(error) }, 'an offset could not be found')
    return failed(partition, ErrorCode.KAFKA_STORAGE_ERROR)
  }
}

function notFound(partitionIndex: number): PartitionAnswer {
  return { partitionIndex, errorCode: ErrorCode.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 }
}

function failed({ partitionIndex }: PartitionRequest, errorCode: ErrorCode): PartitionAnswer {
  return { partitionIndex, errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 }
}

/** Whether a partition is in the request more than once; Kafka refuses those. */
function doubles(request: ListOffsetsRequest): (topic: string, partition: number) => boolean {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { name, partitions } of request.topics)
    for (const { partitionIndex } of partitions) {
      const key = `${name}-${partitionIndex}`
      if (seen.has(key)) twice.add(key)
      seen.add(key)
    }
  return (topic, partition) => twice.size > 0 && twice.has(`${topic}-${partition}`)
}
