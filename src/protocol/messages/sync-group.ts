import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, bytes, int16, int32, string } from '../schema.js'

/**
 * SyncGroup, v0–5. Hands in the leader's assignments, and gives each member its own.
 * v1: throttleTimeMs. v3: groupInstanceId (KIP-345). v4: flexible. v5: protocolType, protocolName (KIP-559).
 */
export const SyncGroup = api(14, 'SyncGroup', {
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.orNull().default(null).since(3),
    protocolType: string.orNull().default(null).since(5),
    protocolName: string.orNull().default(null).since(5),
    assignments: array({
      memberId: string,
      assignment: bytes,
    }),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    errorCode: int16,
    protocolType: string.orNull().default(null).since(5),
    protocolName: string.orNull().default(null).since(5),
    assignment: bytes,
  },
})

export type SyncGroupRequest = DecodedOf<typeof SyncGroup.request>
export type SyncGroupResponse = EncodableOf<typeof SyncGroup.response>
