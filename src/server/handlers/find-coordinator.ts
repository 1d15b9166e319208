import { ErrorCode } from '../../protocol/error-codes.js'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import { type Brokers, brokersOf } from '../brokers.js'
import { handle } from '../handler.js'

/** Kafka's `CoordinatorType`. */
const keyTypes = { group: 0, transaction: 1 } as const

/**
 * Every instance coordinates every group, so the answer is the address under which the client came; with steering that
 * of one of those who write the group's ledger.
 */
export const findCoordinator = handle(FindCoordinator, (request, context) => {
  const { keyType, key, coordinatorKeys } = request
  const brokers = brokersOf(context)
  // Who asks is likely to join.
  if (keyType === keyTypes.group)
    for (const groupId of context.apiVersion < 4 ? [key] : coordinatorKeys) context.groups.sought(groupId)
  return context.apiVersion < 4
    ? coordinatorFor(keyType, key, brokers)
    : { coordinators: coordinatorKeys.map((each) => ({ key: each, ...coordinatorFor(keyType, each, brokers) })) }
})

function coordinatorFor(keyType: number, key: string, brokers: Brokers) {
  if (keyType === keyTypes.group) {
    const { nodeId, host, port } = brokers.coordinatorOf(key)
    return { errorCode: ErrorCode.NONE, errorMessage: null, nodeId, host, port }
  }
  const errorMessage =
    keyType === keyTypes.transaction
      ? 'Transactions are not supported yet.'
      : `Coordinators of type ${keyType} are not supported.`
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage, nodeId: -1, host: '', port: -1 }
}
