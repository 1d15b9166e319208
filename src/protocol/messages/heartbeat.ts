import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { int16, int32, string } from '../schema.js'

/**
 * Heartbeat, v0–4. Tells a member whether its generation still stands.
 * v1: throttleTimeMs. v3: groupInstanceId (KIP-345). v4: flexible.
 */
export const Heartbeat = api(12, 'Heartbeat', {
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.orNull().default(null).since(3),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    errorCode: int16,
  },
})

export type HeartbeatRequest = DecodedOf<typeof Heartbeat.request>
export type HeartbeatResponse = EncodableOf<typeof Heartbeat.response>
