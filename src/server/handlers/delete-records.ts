import { ErrorCode } from '../../protocol/error-codes.js'
import { DeleteRecords } from '../../protocol/messages/delete-records.js'
import { topicConfig } from '../../state/topic-configs.js'
import { handle, type RequestContext } from '../handler.js'

const highWatermark = -1

/** DeleteRecords, v0–2. Moves the log start offset forward; -1 asks for the high watermark (KIP-107). */
export const deleteRecords = handle(DeleteRecords, async (request, context) => {
  await context.cluster.barrier()
  return {
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(async ({ partitionIndex, offset }) => ({
            partitionIndex,
            ...(await deleteBefore(name, partitionIndex, offset, context)),
          })),
        ),
      })),
    ),
  }
})

async function deleteBefore(name: string, partition: number, offset: number, { cluster }: RequestContext) {
  const topic = cluster.topics.byName(name)
  const offsets = topic && cluster.logs.offsets(topic.id, partition)
  if (topic === undefined || offsets === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  // As Kafka: the records of a topic that is only compacted are not dropped by offset.
  if (!topicConfig(topic.configs).cleanupPolicy.includes('delete')) return refused(ErrorCode.POLICY_VIOLATION)
  if (offset < highWatermark || offset > offsets.highWatermark) return refused(ErrorCode.OFFSET_OUT_OF_RANGE)
  const { errorCode, logStartOffset } = await cluster.logs.deleteRecords(topic.id, partition, offset)
  return errorCode === ErrorCode.NONE ? { errorCode, lowWatermark: logStartOffset } : refused(errorCode)
}

function refused(errorCode: ErrorCode) {
  return { errorCode, lowWatermark: -1 }
}
