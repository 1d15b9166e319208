import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int16, int32, int64, string, uuid } from '../schema.js'

/**
 * OffsetFetch, v1–10. The committed offsets of a group; of several groups from v8 on.
 * v2: null topics ask for all, errorCode. v3: throttleTimeMs. v5: committedLeaderEpoch (KIP-320). v6: flexible.
 * v7: requireStable (KIP-447). v8: groups instead of groupId and topics (KIP-709). v9: memberId, memberEpoch (KIP-848).
 * v10: topicId instead of name (KIP-848).
 */
export const OffsetFetch = api(9, 'OffsetFetch', {
  versions: [1, 10],
  flexible: 6,
  request: {
    groupId: string.until(7),
    topics: array({
      name: string,
      partitionIndexes: array(int32),
    })
      .orNull(2)
      .until(7),
    groups: array({
      groupId: string,
      memberId: string.orNull().default(null).since(9),
      memberEpoch: int32.default(-1).since(9),
      topics: array({
        name: string.until(9),
        topicId: uuid.since(10),
        partitionIndexes: array(int32),
      }).orNull(),
    }).since(8),
    requireStable: boolean.default(false).since(7),
  },
  response: {
    throttleTimeMs: int32.default(0).since(3),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.default(-1).since(5),
        metadata: string.orNull(),
        errorCode: int16,
      }),
    }).until(7),
    errorCode: int16.default(0).since(2).until(7),
    groups: array({
      groupId: string,
      topics: array({
        name: string.until(9),
        topicId: uuid.since(10),
        partitions: array({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: int32.default(-1),
          metadata: string.orNull(),
          errorCode: int16,
        }),
      }),
      errorCode: int16.default(0),
    }).since(8),
  },
})

export type OffsetFetchRequest = DecodedOf<typeof OffsetFetch.request>
export type OffsetFetchResponse = EncodableOf<typeof OffsetFetch.response>
