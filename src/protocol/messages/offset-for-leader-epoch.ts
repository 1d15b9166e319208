import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, int64, string } from '../schema.js'

/**
 * OffsetForLeaderEpoch, v2–4. Where a leader epoch ended, so that a log that has diverged can be cut there.
 * v2: currentLeaderEpoch (KIP-320), throttleTimeMs. v3: replicaId (KIP-392). v4: flexible.
 */
export const OffsetForLeaderEpoch = api(23, 'OffsetForLeaderEpoch', {
  versions: [2, 4],
  flexible: 4,
  request: {
    replicaId: int32.default(-2).since(3),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.default(-1),
        leaderEpoch: int32,
      }),
    }),
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: int32.default(-1),
        endOffset: int64.default(-1),
      }),
    }),
  },
})

export type OffsetForLeaderEpochRequest = DecodedOf<typeof OffsetForLeaderEpoch.request>
export type OffsetForLeaderEpochResponse = EncodableOf<typeof OffsetForLeaderEpoch.response>
