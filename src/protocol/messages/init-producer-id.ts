import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { boolean, int16, int32, int64, string } from '../schema.js'

/**
 * InitProducerId, v0–6. Gives an idempotent or transactional producer its id and epoch.
 * v2: flexible. v3: producerId, producerEpoch to go on with (KIP-360). v4: PRODUCER_FENCED (KIP-588).
 * v5: TRANSACTION_ABORTABLE (KIP-890). v6: two-phase commit (KIP-939); unstable in Kafka 4.3, so brokers don't offer it.
 */
export const InitProducerId = api(22, 'InitProducerId', {
  versions: [0, 6],
  flexible: 2,
  request: {
    transactionalId: string.orNull(),
    transactionTimeoutMs: int32,
    producerId: int64.default(-1).since(3),
    producerEpoch: int16.default(-1).since(3),
    enable2Pc: boolean.default(false).since(6),
    keepPreparedTxn: boolean.default(false).since(6),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16,
    producerId: int64.default(-1),
    producerEpoch: int16,
    ongoingTxnProducerId: int64.default(-1).since(6),
    ongoingTxnProducerEpoch: int16.default(-1).since(6),
  },
})

export type InitProducerIdRequest = DecodedOf<typeof InitProducerId.request>
export type InitProducerIdResponse = EncodableOf<typeof InitProducerId.response>
