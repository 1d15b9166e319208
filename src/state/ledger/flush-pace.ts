/** A flush that comes later than it could by at most this share of the interval is made up for by the next. */
const lateShare = 0.25

export interface FlushPaceSettings {
  /**
   * Least time between two flushes on average, milliseconds: what a paid store is spared. One that came late is made up
   * for. 0: no wait.
   */
  flushIntervalMs: number
  /** With so many bytes waiting a flush is due at once. */
  flushBytes: number
}

/**
 * When the next flush may come. Flushes keep to a beat, so that timers that fire late, as they do, don't make them
 * fewer: each is counted from when the one before was due, if it came little later.
 */
export class FlushPace {
  readonly #intervalMs: number
  readonly #bytes: number
  #lastAt = Number.NEGATIVE_INFINITY

  constructor({ flushIntervalMs, flushBytes }: FlushPaceSettings) {
    this.#intervalMs = flushIntervalMs
    this.#bytes = flushBytes
  }

  /** How long the next flush has to wait while so many bytes do, milliseconds; not above 0 if it is due. */
  waitMs(now: number, bytes: number): number {
    return bytes >= this.#bytes ? 0 : this.#lastAt + this.#intervalMs - now
  }

  /** There was one. */
  flushed(now: number): void {
    const dueAt = this.#lastAt + this.#intervalMs
    this.#lastAt = now < dueAt || now > dueAt + this.#intervalMs * lateShare ? now : dueAt
  }
}
