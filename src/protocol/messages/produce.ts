import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, int64, records, string, struct, uuid } from '../schema.js'

/**
 * Produce, v3–13. Appends record batches to partitions.
 * Versions 0–2 are gone (KIP-896) but still advertised, for librdkafka's sake (KAFKA-18659).
 * v3: transactionalId, record format v2. v5: logStartOffset. v7: zstd (KIP-110). v8: recordErrors, errorMessage (KIP-467).
 * v9: flexible. v10: currentLeader, nodeEndpoints (KIP-951). v11: TRANSACTION_ABORTABLE (KIP-890).
 * v12: the broker adds the partition to the transaction itself (KIP-890). v13: topicId instead of name (KIP-516).
 */
export const Produce = api(0, 'Produce', {
  versions: [3, 13],
  advertisedFrom: 0,
  flexible: 9,
  request: {
    transactionalId: string.orNull().default(null),
    acks: int16,
    timeoutMs: int32,
    topicData: array({
      name: string.until(12),
      topicId: uuid.since(13),
      partitionData: array({
        index: int32,
        records: records.orNull(),
      }),
    }),
  },
  response: {
    responses: array({
      name: string.until(12),
      topicId: uuid.since(13),
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64.default(-1),
        logStartOffset: int64.default(-1).since(5),
        recordErrors: array({
          batchIndex: int32,
          batchIndexErrorMessage: string.orNull().default(null),
        }).since(8),
        errorMessage: string.orNull().default(null).since(8),
        currentLeader: struct({
          leaderId: int32.default(-1),
          leaderEpoch: int32.default(-1),
        }).tagged(0, 10),
      }),
    }),
    throttleTimeMs: int32.default(0),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.orNull().default(null),
    }).tagged(0, 10),
  },
})

export type ProduceRequest = DecodedOf<typeof Produce.request>
export type ProduceResponse = EncodableOf<typeof Produce.response>
