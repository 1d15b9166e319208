import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, int64, int64Saturating, string, uuid } from '../schema.js'

/**
 * OffsetCommit, v2–10. Stores the offsets a group has consumed up to.
 * v3: throttleTimeMs. v5: no retentionTimeMs any more (KIP-211). v6: committedLeaderEpoch (KIP-320).
 * v7: groupInstanceId (KIP-345). v8: flexible. v9: member epochs of the consumer group protocol (KIP-848).
 * v10: topicId instead of name (KIP-848).
 */
export const OffsetCommit = api(8, 'OffsetCommit', {
  versions: [2, 10],
  flexible: 8,
  request: {
    groupId: string,
    generationIdOrMemberEpoch: int32.default(-1),
    memberId: string,
    groupInstanceId: string.orNull().default(null).since(7),
    retentionTimeMs: int64Saturating.default(-1).until(4),
    topics: array({
      name: string.until(9),
      topicId: uuid.since(10),
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.default(-1).since(6),
        committedMetadata: string.orNull(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.default(0).since(3),
    topics: array({
      name: string.until(9),
      topicId: uuid.since(10),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
      }),
    }),
  },
})

export type OffsetCommitRequest = DecodedOf<typeof OffsetCommit.request>
export type OffsetCommitResponse = EncodableOf<typeof OffsetCommit.response>
