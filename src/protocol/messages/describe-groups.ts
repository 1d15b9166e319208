import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, bytes, int16, int32, string } from '../schema.js'

/**
 * DescribeGroups, v0–6. State and members of classic groups.
 * v1: throttleTimeMs. v3: authorized operations (KIP-430). v4: groupInstanceId (KIP-345). v5: flexible.
 * v6: errorMessage, and GROUP_ID_NOT_FOUND instead of a dead group (KIP-1043).
 */
export const DescribeGroups = api(15, 'DescribeGroups', {
  versions: [0, 6],
  flexible: 5,
  request: {
    groups: array(string),
    includeAuthorizedOperations: boolean.since(3),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    groups: array({
      errorCode: int16,
      errorMessage: string.orNull().default(null).since(6),
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array({
        memberId: string,
        groupInstanceId: string.orNull().default(null).since(4),
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: int32.default(-2147483648).since(3),
    }),
  },
})

export type DescribeGroupsRequest = DecodedOf<typeof DescribeGroups.request>
export type DescribeGroupsResponse = EncodableOf<typeof DescribeGroups.response>
