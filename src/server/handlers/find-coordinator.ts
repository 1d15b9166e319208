import { ErrorCode } from '../../protocol/error-codes.js'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import { handle } from '../handler.js'
import type { ServerConfig } from '../server-config.js'

/** Kafka's `CoordinatorType`. */
const keyTypes = { group: 0, transaction: 1 } as const

/** Every instance coordinates every group, so the answer is the address under which the client came. */
export const findCoordinator = handle(FindCoordinator, (request, { apiVersion, config }) => {
  const coordinator = coordinatorFor(request.keyType, config)
  return apiVersion < 4
    ? coordinator
    : { coordinators: request.coordinatorKeys.map((key) => ({ key, ...coordinator })) }
})

function coordinatorFor(keyType: number, { nodeId, advertisedHost, advertisedPort }: ServerConfig) {
  if (keyType === keyTypes.group)
    return { errorCode: ErrorCode.NONE, errorMessage: null, nodeId, host: advertisedHost, port: advertisedPort }
  const errorMessage =
    keyType === keyTypes.transaction
      ? 'Transactions are not supported yet.'
      : `Coordinators of type ${keyType} are not supported.`
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage, nodeId: -1, host: '', port: -1 }
}
