import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int8, int16, int32, string } from '../schema.js'

/**
 * FindCoordinator, v0–6. The broker that coordinates a group (keyType 0), a transaction (1) or a share partition (2).
 * v1: keyType, throttleTimeMs, errorMessage. v3: flexible. v4: coordinatorKeys and coordinators instead of one (KIP-699).
 * v5: TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).
 */
export const FindCoordinator = api(10, 'FindCoordinator', {
  versions: [0, 6],
  flexible: 3,
  request: {
    key: string.until(3),
    keyType: int8.default(0).since(1),
    coordinatorKeys: array(string).since(4),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    errorCode: int16.until(3),
    errorMessage: string.orNull().default(null).since(1).until(3),
    nodeId: int32.until(3),
    host: string.until(3),
    port: int32.until(3),
    coordinators: array({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: string.orNull().default(null),
    }).since(4),
  },
})

export type FindCoordinatorRequest = DecodedOf<typeof FindCoordinator.request>
export type FindCoordinatorResponse = EncodableOf<typeof FindCoordinator.response>
