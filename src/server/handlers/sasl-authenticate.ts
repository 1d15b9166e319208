import { SaslAuthenticate } from '../../protocol/messages/sasl-authenticate.js'
import { handle } from '../handler.js'

const noBytes = Buffer.alloc(0)

/**
 * SaslAuthenticate, v0–2. Takes a token of the mechanism chosen in SaslHandshake v1. A failed authentication is
 * answered with its reason, then the connection is closed.
 */
export const saslAuthenticate = handle(SaslAuthenticate, (request, context) => {
  const { errorCode, errorMessage } = context.sasl.authenticate(request.authBytes)
  if (context.sasl.hasFailed) context.hangUp()
  return { errorCode, errorMessage, authBytes: noBytes }
})
