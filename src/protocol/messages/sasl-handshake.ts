import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, string } from '../schema.js'

/**
 * SaslHandshake, v0–1. Chooses a SASL mechanism. Never flexible (KAFKA-9577).
 * v1: the tokens follow in SaslAuthenticate instead of bare frames (KIP-152).
 */
export const SaslHandshake = api(17, 'SaslHandshake', {
  versions: [0, 1],
  request: {
    mechanism: string,
  },
  response: {
    errorCode: int16,
    mechanisms: array(string),
  },
})

export type SaslHandshakeRequest = DecodedOf<typeof SaslHandshake.request>
export type SaslHandshakeResponse = EncodableOf<typeof SaslHandshake.response>
