import { ErrorCode } from '../../protocol/error-codes.js'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.js'
import { clusterOperations, operationsOmitted } from '../authorized-operations.js'
import { brokersOf } from '../brokers.js'
import { handle } from '../handler.js'

const brokerEndpoint = 1
const controllerEndpoint = 2

/**
 * DescribeCluster, v0–2. This instance as the only broker, and as controller; with steering all instances (KIP-700).
 * v1: endpointType (KIP-919): there are no controllers of their own to describe.
 */
export const describeCluster = handle(DescribeCluster, (request, context) => {
  const { cluster } = context
  const { endpointType, includeClusterAuthorizedOperations } = request
  if (endpointType !== brokerEndpoint)
    return {
      errorCode:
        endpointType === controllerEndpoint ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: 'This endpoint is a broker.',
      endpointType,
      clusterId: cluster.clusterId,
      brokers: [],
    }
  const { all, controllerId } = brokersOf(context)
  return {
    errorCode: ErrorCode.NONE,
    endpointType,
    clusterId: cluster.clusterId,
    controllerId,
    brokers: all.map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack })),
    clusterAuthorizedOperations: includeClusterAuthorizedOperations ? clusterOperations : operationsOmitted,
  }
})
