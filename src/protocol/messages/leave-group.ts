import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, string } from '../schema.js'

/**
 * LeaveGroup, v0–5. Takes a member, from v3 on several, out of a group.
 * v1: throttleTimeMs. v3: members instead of memberId (KIP-345). v4: flexible. v5: reason (KIP-800).
 */
export const LeaveGroup = api(13, 'LeaveGroup', {
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string,
    memberId: string.until(2),
    members: array({
      memberId: string,
      groupInstanceId: string.orNull().default(null),
      reason: string.orNull().default(null).since(5),
    }).since(3),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    errorCode: int16,
    members: array({
      memberId: string,
      groupInstanceId: string.orNull(),
      errorCode: int16,
    }).since(3),
  },
})

export type LeaveGroupRequest = DecodedOf<typeof LeaveGroup.request>
export type LeaveGroupResponse = EncodableOf<typeof LeaveGroup.response>
