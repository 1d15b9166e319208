import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int8, int16, int32, int64, int64Saturating, string } from '../schema.js'

/**
 * ListOffsets, v1–11. Finds the offset of a timestamp; negative timestamps ask for places:
 * -1 latest, -2 earliest, -3 of the largest timestamp (v7), -4 earliest local (v8), -5 last tiered (v9),
 * -6 earliest pending upload (v11).
 * v2: isolationLevel, throttleTimeMs. v4: leader epochs (KIP-320). v5: OFFSET_NOT_AVAILABLE. v6: flexible. v7: KIP-734.
 * v8: KIP-405. v9: KIP-1005. v10: timeoutMs (KIP-1075). v11: KIP-1023.
 */
export const ListOffsets = api(2, 'ListOffsets', {
  versions: [1, 11],
  flexible: 6,
  request: {
    replicaId: int32,
    isolationLevel: int8.since(2),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: int32.default(-1).since(4),
        timestamp: int64Saturating,
      }),
    }),
    timeoutMs: int32.since(10),
  },
  response: {
    throttleTimeMs: int32.default(0).since(2),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        timestamp: int64.default(-1),
        offset: int64.default(-1),
        leaderEpoch: int32.default(-1).since(4),
      }),
    }),
  },
})

export type ListOffsetsRequest = DecodedOf<typeof ListOffsets.request>
export type ListOffsetsResponse = EncodableOf<typeof ListOffsets.response>
