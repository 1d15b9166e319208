import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { bytes, int16, int64, string } from '../schema.js'

/**
 * SaslAuthenticate, v0–2. Carries the tokens of the mechanism chosen in SaslHandshake.
 * v1: sessionLifetimeMs (KIP-368). v2: flexible.
 */
export const SaslAuthenticate = api(36, 'SaslAuthenticate', {
  versions: [0, 2],
  flexible: 2,
  request: {
    authBytes: bytes,
  },
  response: {
    errorCode: int16,
    errorMessage: string.orNull().default(null),
    authBytes: bytes,
    sessionLifetimeMs: int64.default(0).since(1),
  },
})

export type SaslAuthenticateRequest = DecodedOf<typeof SaslAuthenticate.request>
export type SaslAuthenticateResponse = EncodableOf<typeof SaslAuthenticate.response>
