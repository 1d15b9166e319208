import { ErrorCode } from '../../protocol/error-codes.js'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.js'
import { handle } from '../handler.js'
import { saslMechanisms } from '../sasl.js'

/**
 * SaslHandshake, v0–1. Chooses a SASL mechanism. After v0 the tokens come as bare frames, after v1 in SaslAuthenticate.
 * Where SASL is off, or done, the answer is ILLEGAL_SASL_STATE; a failed handshake closes the connection.
 */
export const saslHandshake = handle(SaslHandshake, (request, context) => {
  const { sasl } = context
  const { errorCode } = sasl.handshake(request.mechanism, context.apiVersion === 0)
  if (sasl.hasFailed) context.hangUp()
  return { errorCode, mechanisms: errorCode === ErrorCode.ILLEGAL_SASL_STATE ? [] : [...saslMechanisms] }
})
