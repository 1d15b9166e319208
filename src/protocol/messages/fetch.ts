import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int8, int16, int32, int64, int64Saturating, records, string, struct, uuid } from '../schema.js'

/**
 * Fetch, v4–18. Reads record batches; long-polls up to maxWaitMs for minBytes.
 * v4: isolationLevel, abortedTransactions. v5: logStartOffset. v7: incremental fetch sessions (KIP-227).
 * v9: currentLeaderEpoch (KIP-320). v10: zstd (KIP-110). v11: rackId, preferredReadReplica (KIP-392).
 * v12: flexible, lastFetchedEpoch, divergingEpoch, currentLeader (KIP-595). v13: topicId instead of topic (KIP-516).
 * v14: OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405). v15: replicaState instead of replicaId (KIP-903).
 * v16: nodeEndpoints (KIP-951). v17: replicaDirectoryId (KIP-853). v18: highWatermark of the replica (KIP-1166).
 */
export const Fetch = api(1, 'Fetch', {
  versions: [4, 18],
  flexible: 12,
  request: {
    clusterId: string.orNull().default(null).tagged(0, 12),
    replicaId: int32.default(-1).until(14),
    replicaState: struct({
      replicaId: int32.default(-1),
      replicaEpoch: int64.default(-1),
    }).tagged(1, 15),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.default(0x7fffffff),
    isolationLevel: int8.default(0),
    sessionId: int32.default(0).since(7),
    sessionEpoch: int32.default(-1).since(7),
    topics: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.default(-1).since(9),
        fetchOffset: int64Saturating,
        lastFetchedEpoch: int32.default(-1).since(12),
        logStartOffset: int64.default(-1).since(5),
        partitionMaxBytes: int32,
        replicaDirectoryId: uuid.tagged(0, 17),
        highWatermark: int64Saturating.default(Number.POSITIVE_INFINITY).tagged(1, 18),
      }),
    }),
    forgottenTopicsData: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array(int32),
    }).since(7),
    rackId: string.default('').since(11),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16.since(7),
    sessionId: int32.default(0).since(7),
    responses: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: int64.default(-1),
        logStartOffset: int64.default(-1).since(5),
        divergingEpoch: struct({
          epoch: int32.default(-1),
          endOffset: int64.default(-1),
        }).tagged(0, 12),
        currentLeader: struct({
          leaderId: int32.default(-1),
          leaderEpoch: int32.default(-1),
        }).tagged(1, 12),
        snapshotId: struct({
          endOffset: int64.default(-1),
          epoch: int32.default(-1),
        }).tagged(2, 12),
        abortedTransactions: array({
          producerId: int64,
          firstOffset: int64,
        })
          .orNull()
          .default(null),
        preferredReadReplica: int32.default(-1).since(11),
        records: records.orNull(),
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.orNull().default(null),
    }).tagged(0, 16),
  },
})

export type FetchRequest = DecodedOf<typeof Fetch.request>
export type FetchResponse = EncodableOf<typeof Fetch.response>
