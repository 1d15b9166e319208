import type { Clock } from '../../base/clock.js'

/** Calls that take longer than this on average, milliseconds, are not worth the event loop's time. */
const averageMsMax = 0.5
/** How much one call counts in the average: one slow call in a row of quick ones is not held against the file system. */
const weight = 1 / 32
const countedMsMax = 8
/** Calls that copy more are expected to take longer: they count for so many bytes of theirs, on average. */
const countedBytes = 256 * 1024
/** Most that a call should copy on the event loop, bytes: beyond it the way through the pool is cheap beside the copying. */
export const copiedBytesMost = 2 * 1024 * 1024
/** How long file calls go through the thread pool before the event loop tries again, milliseconds. */
const retreatMs = 5_000

/**
 * Decides whether file calls may be made on the event loop's own thread.
 *
 * On a local disk's page cache they take microseconds, where the way through libuv's thread pool costs three to
 * ten times as much CPU and latency (bench/store.ts: a put of 4 KiB without fsync took 41–56 µs on the event loop
 * and 115–151 µs through the pool; a get 8 and 120). On a network file system they take milliseconds, and the event
 * loop must not wait for them. So: on the event loop as long as that turns out to be quick.
 */
export class Pace {
  readonly #clock: Clock
  #averageMs = 0
  #retreatEndsMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the next short file call may be made on the event loop. */
  mayBlock(): boolean {
    return this.#clock.monotonic() >= this.#retreatEndsMs
  }

  /** Makes file calls on the event loop, which copy so many `bytes`, and notes how long that took. */
  block<Result>(calls: () => Result, bytes = 0): Result {
    const begun = this.#clock.monotonic()
    try {
      return calls()
    } finally {
      const end = this.#clock.monotonic()
      const ms = (end - begun) / Math.max(1, bytes / countedBytes)
      this.#averageMs += (Math.min(ms, countedMsMax) - this.#averageMs) * weight
      if (this.#averageMs > averageMsMax) {
        this.#averageMs = 0
        this.#retreatEndsMs = end + retreatMs
      }
    }
  }
}
