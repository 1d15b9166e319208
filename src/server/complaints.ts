import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'

const linesMax = 10
const intervalMs = 10_000

/**
 * Warnings about clients. A bad client can't flood the log: of each subject so many lines in an interval are
 * written, and the next line that is written says how many were not.
 */
export class Complaints {
  readonly #log: Log
  readonly #clock: Clock
  readonly #subjects = new Map<string, { sinceMs: number; lines: number; suppressed: number }>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** @param subject the text of the line, one of a few. */
  warn(subject: string, fields: object): void {
    const now = this.#clock.monotonic()
    let count = this.#subjects.get(subject)
    if (count === undefined) {
      count = { sinceMs: now, lines: 0, suppressed: 0 }
      this.#subjects.set(subject, count)
    }
    if (now - count.sinceMs >= intervalMs) {
      count.sinceMs = now
      count.lines = 0
    }
    if (count.lines >= linesMax) {
      count.suppressed++
      return
    }
    count.lines++
    if (count.suppressed > 0) this.#log.warn({ ...fields, suppressedLines: count.suppressed }, subject)
    else this.#log.warn(fields, subject)
    count.suppressed = 0
  }
}
