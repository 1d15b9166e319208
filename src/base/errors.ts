/** What a caller can do about a failed store request. */
export interface StoreErrorOptions {
  /** The object the request was about. */
  key: string
  /** Whether the same request may succeed later (time-out, 5xx, SlowDown), as opposed to never (denied, no such bucket). */
  retry: boolean
  /** The store asked for fewer requests (503 SlowDown, 429): back off further. */
  slowDown?: boolean
  cause?: unknown
}

/**
 * The object store failed. For a put the outcome is *unknown* unless stated otherwise:
 * the object may exist afterwards.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly key: string
  readonly retry: boolean
  readonly slowDown: boolean

  constructor(message: string, options: StoreErrorOptions) {
    super(`${message} (key ${options.key})`, options.cause === undefined ? undefined : { cause: options.cause })
    this.key = options.key
    this.retry = options.retry
    this.slowDown = options.slowDown ?? false
  }
}

/** What the store holds is not what we wrote: a checksum, a magic or a length is wrong. */
export class CorruptObjectError extends Error {
  override readonly name = 'CorruptObjectError'
  /** The object is not there at all. It may be that something else has taken its place meanwhile. */
  readonly isMissing: boolean

  constructor(message: string, options: { cause?: unknown; isMissing?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.isMissing = options.isMissing ?? false
  }
}

/** This instance can't keep its promises now (store unreachable, shutting down, unknown format): it stops answering. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
}

/** A bound was reached (queue full, too many connections): the caller is to wait or to be refused. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError'
}

/** The message of anything thrown, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
