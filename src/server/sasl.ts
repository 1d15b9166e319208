import { createHash, timingSafeEqual } from 'node:crypto'
import { ErrorCode } from '../protocol/error-codes.js'
import type { ServerConfig } from './server-config.js'

/** The SASL mechanisms that clients may use. */
export const saslMechanisms = ['PLAIN'] as const

/** What a step of an authentication came to. */
export interface SaslOutcome {
  errorCode: ErrorCode
  errorMessage: string | null
}

type State =
  /** SASL is off: everybody is who they are. */
  | 'disabled'
  | 'beforeHandshake'
  /** Tokens come as SaslAuthenticate requests. */
  | 'handshaken'
  /** Tokens come as bare frames: the handshake was of version 0. */
  | 'handshakenBare'
  | 'authenticated'
  | 'failed'

/** The authentication of one connection, as Kafka's `SaslServerAuthenticator` does it. */
export class SaslSession {
  readonly #config: ServerConfig
  #state: State

  constructor(config: ServerConfig) {
    this.#config = config
    this.#state = config.saslEnabled ? 'beforeHandshake' : 'disabled'
  }

  /** Whether the client may use the APIs that need a known client. */
  get isOpen(): boolean {
    return this.#state === 'authenticated' || this.#state === 'disabled'
  }

  /** Whether the next frame is a bare token instead of a request. */
  get expectsBareToken(): boolean {
    return this.#state === 'handshakenBare'
  }

  get hasFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Chooses the mechanism. `isBare`: the tokens will follow as bare frames (SaslHandshake v0). */
  handshake(mechanism: string, isBare: boolean): SaslOutcome {
    if (this.#state !== 'beforeHandshake') return this.#illegal('SaslHandshake')
    if (!(saslMechanisms as readonly string[]).includes(mechanism)) {
      this.#state = 'failed'
      return {
        errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        errorMessage: `Unsupported SASL mechanism ${mechanism}`,
      }
    }
    this.#state = isBare ? 'handshakenBare' : 'handshaken'
    return { errorCode: ErrorCode.NONE, errorMessage: null }
  }

  /** Takes the client's token. */
  authenticate(token: Buffer): SaslOutcome {
    if (this.#state !== 'handshaken' && this.#state !== 'handshakenBare') return this.#illegal('SaslAuthenticate')
    const errorMessage = this.#refusal(token)
    this.#state = errorMessage === null ? 'authenticated' : 'failed'
    const errorCode = errorMessage === null ? ErrorCode.NONE : ErrorCode.SASL_AUTHENTICATION_FAILED
    return { errorCode, errorMessage }
  }

  #illegal(request: string): SaslOutcome {
    if (!this.isOpen) this.#state = 'failed'
    return {
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      errorMessage: `Unexpected Kafka request of type ${request} during SASL handshake.`,
    }
  }

  /** RFC 4616: authorization id, user name and password, with NUL in between; null if they are right. */
  #refusal(token: Buffer): string | null {
    const [authorizationId, username, password, more] = token.toString('utf8').split('\0')
    if (authorizationId === undefined || username === undefined || password === undefined || more !== undefined)
      return 'Authentication failed due to invalid credentials with SASL mechanism PLAIN'
    if (username === '') return 'Authentication failed: username not specified'
    if (password === '') return 'Authentication failed: password not specified'
    const { saslPlainUsername, saslPlainPassword } = this.#config
    // Both are always compared, so that the time tells nothing about which of them is wrong.
    const isUser = isSameSecret(username, saslPlainUsername)
    const isPassword = isSameSecret(password, saslPlainPassword)
    if (!isUser || !isPassword) return 'Authentication failed: Invalid username or password'
    if (authorizationId !== '' && authorizationId !== username)
      return 'Authentication failed: Client requested an authorization id that is different from username'
    return null
  }
}

/** Compares in a time that depends on neither text nor length. An unset secret equals nothing. */
function isSameSecret(given: string, expected: string | undefined): boolean {
  const isSame = timingSafeEqual(digest(given), digest(expected ?? ''))
  return isSame && expected !== undefined
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
