import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, bytes, int16, int32, string } from '../schema.js'

/**
 * JoinGroup, v0–9. Joins a classic group, and waits for the rebalance that follows.
 * v1: rebalanceTimeoutMs (before it, the session time-out). v2: throttleTimeMs.
 * v4: a member without id is given one and told to join again (KIP-394). v5: groupInstanceId (KIP-345). v6: flexible.
 * v7: protocolType, protocolName may be null (KIP-559). v8: reason (KIP-800). v9: skipAssignment (KIP-814).
 */
export const JoinGroup = api(11, 'JoinGroup', {
  versions: [0, 9],
  flexible: 6,
  request: {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.default(-1).since(1),
    memberId: string,
    groupInstanceId: string.orNull().default(null).since(5),
    protocolType: string,
    protocols: array({
      name: string,
      metadata: bytes,
    }),
    reason: string.orNull().default(null).since(8),
  },
  response: {
    throttleTimeMs: int32.default(0).since(2),
    errorCode: int16,
    generationId: int32.default(-1),
    protocolType: string.orNull().default(null).since(7),
    protocolName: string.orNull(7),
    leader: string,
    skipAssignment: boolean.default(false).since(9),
    memberId: string,
    members: array({
      memberId: string,
      groupInstanceId: string.orNull().default(null).since(5),
      metadata: bytes,
    }),
  },
})

export type JoinGroupRequest = DecodedOf<typeof JoinGroup.request>
export type JoinGroupResponse = EncodableOf<typeof JoinGroup.response>
