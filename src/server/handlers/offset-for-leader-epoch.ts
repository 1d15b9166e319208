import { ErrorCode } from '../../protocol/error-codes.js'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.js'
import { handle } from '../handler.js'
import { leaderEpoch, leaderEpochProblem } from '../leader-epoch.js'

/**
 * OffsetForLeaderEpoch, v2–4. Where a leader epoch ended (KIP-320). There has only ever been one epoch, and it goes on: it
 * ends at the high watermark. Of an epoch that never was nothing is known (-1).
 */
export const offsetForLeaderEpoch = handle(OffsetForLeaderEpoch, async (request, { cluster }) => {
  await cluster.barrier()
  return {
    topics: request.topics.map(({ topic, partitions }) => {
      const topicId = cluster.topics.byName(topic)?.id
      return {
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch: asked }) => {
          const offsets = topicId === undefined ? undefined : cluster.logs.offsets(topicId, partition)
          const errorCode =
            offsets === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : leaderEpochProblem(currentLeaderEpoch)
          if (offsets === undefined || errorCode !== ErrorCode.NONE || asked !== leaderEpoch)
            return { errorCode, partition, leaderEpoch: -1, endOffset: -1 }
          return { errorCode, partition, leaderEpoch, endOffset: offsets.highWatermark }
        }),
      }
    }),
  }
})
