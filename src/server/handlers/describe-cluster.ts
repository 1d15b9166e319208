import { ErrorCode } from '../../protocol/error-codes.js'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.js'
import { clusterOperations, operationsOmitted } from '../authorized-operations.js'
import { handle } from '../handler.js'

const brokerEndpoint = 1
const controllerEndpoint = 2

/**
 * DescribeCluster, v0–2. This instance as the only broker, and as controller (KIP-700).
 * v1: endpointType (KIP-919): there are no controllers of their own to describe.
 */
export const describeCluster = handle(DescribeCluster, (request, { cluster, config }) => {
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
  return {
    errorCode: ErrorCode.NONE,
    endpointType,
    clusterId: cluster.clusterId,
    controllerId: config.nodeId,
    brokers: [{ brokerId: config.nodeId, host: config.advertisedHost, port: config.advertisedPort }],
    clusterAuthorizedOperations: includeClusterAuthorizedOperations ? clusterOperations : operationsOmitted,
  }
})
