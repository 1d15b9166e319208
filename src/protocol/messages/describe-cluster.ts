import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int8, int16, int32, string } from '../schema.js'

/**
 * DescribeCluster, v0–2. Brokers and controller (KIP-700). Flexible from the start.
 * v1: endpointType (KIP-919). v2: fenced brokers (KIP-1073).
 */
export const DescribeCluster = api(60, 'DescribeCluster', {
  versions: [0, 2],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: boolean,
    endpointType: int8.default(1).since(1),
    includeFencedBrokers: boolean.since(2),
  },
  response: {
    throttleTimeMs: int32.default(0),
    errorCode: int16,
    errorMessage: string.orNull().default(null),
    endpointType: int8.default(1).since(1),
    clusterId: string,
    controllerId: int32.default(-1),
    brokers: array({
      brokerId: int32,
      host: string,
      port: int32,
      rack: string.orNull().default(null),
      isFenced: boolean.since(2),
    }),
    clusterAuthorizedOperations: int32.default(-2147483648),
  },
})

export type DescribeClusterRequest = DecodedOf<typeof DescribeCluster.request>
export type DescribeClusterResponse = EncodableOf<typeof DescribeCluster.response>
