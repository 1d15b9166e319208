/** Why a connection ended. */
export type CloseReason =
  /** The client went, or its network failed. */
  | 'client'
  | 'badRequest'
  | 'authentication'
  | 'handshakeTimeout'
  | 'frameTimeout'
  | 'idleTimeout'
  | 'writeTimeout'
  | 'unavailable'
  | 'handlerError'
  | 'shutdown'

/** One request that was answered, or failed. */
export interface RequestDone {
  readonly api: string
  readonly version: number
  /** The first error in the answer; 0 when there is none. */
  readonly errorCode: number
  /** From the complete request to the complete answer, seconds; a long poll's wait included. */
  readonly seconds: number
  readonly requestBytes: number
  /** 0 when the client expects no answer. */
  readonly responseBytes: number
}

/** Hears what happens at the door; metrics are made of it. */
export interface RequestObserver {
  connectionOpened(): void
  /** A connection beyond the limit was closed at once; it counts neither as opened nor as closed. */
  connectionRefused(): void
  connectionClosed(reason: CloseReason): void
  requestDone(request: RequestDone): void
}

/** Hears nothing. */
export const noObserver: RequestObserver = {
  connectionOpened() {},
  connectionRefused() {},
  connectionClosed() {},
  requestDone() {},
}
