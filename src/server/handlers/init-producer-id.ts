import { ErrorCode } from '../../protocol/error-codes.js'
import { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import { handle } from '../handler.js'

/**
 * InitProducerId, v0–6. Gives an idempotent producer its id; with an id and epoch it has (v3, KIP-360), the next epoch.
 *
 * A transactional producer is refused, since there are no transactions yet, by
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED: the one code that makes every client give up. librdkafka asks for ever after
 * INVALID_REQUEST or UNSUPPORTED_VERSION (`rd_kafka_idemp_check_error`).
 */
export const initProducerId = handle(
  InitProducerId,
  async (request, { cluster, log, clientId }) => {
    const { transactionalId, producerId, producerEpoch } = request
    if (transactionalId !== null) {
      log.warn({ transactionalId, clientId }, 'a transactional producer was refused: transactions are not supported')
      return refused(
        transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      )
    }
    if (producerId < -1 || producerEpoch < -1 || (producerId === -1) !== (producerEpoch === -1))
      return refused(ErrorCode.INVALID_REQUEST)
    return cluster.producers.init(producerId, producerEpoch)
  },
  () => refused(ErrorCode.COORDINATOR_NOT_AVAILABLE),
)

function refused(errorCode: ErrorCode) {
  return { errorCode, producerId: -1, producerEpoch: -1 }
}
