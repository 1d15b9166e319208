import type { Clock, Timer } from '../base/clock.js'

/** Somebody who does not wait for ever. */
export interface Deadline {
  /** By the monotonic clock. */
  readonly atMs: number
  /** Called at that time, once, unless it was withdrawn. */
  readonly pass: () => void
  /** Where it stands among those that wait; -1 if it doesn't. */
  index: number
}

/** A timer does not fire sooner than this after the one before, milliseconds: when many have waited in vain, so do some together. */
const betweenMs = 5

/**
 * The deadlines of many, nearly all of which are withdrawn in time: one timer stands for the earliest, and is not touched
 * when that is withdrawn.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #waiting: Deadline[] = []
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Has `pass` called at that time of the monotonic clock, or some milliseconds after. */
  add(atMs: number, pass: () => void): Deadline {
    const deadline = { atMs, pass, index: this.#waiting.length }
    this.#waiting.push(deadline)
    if (atMs < this.#timerAtMs) this.#setTimer(atMs)
    return deadline
  }

  /** It is not to be called any more. */
  withdraw(deadline: Deadline): void {
    const { index } = deadline
    if (index < 0) return
    deadline.index = -1
    const last = this.#waiting.pop() as Deadline
    if (last === deadline) return
    this.#waiting[index] = last
    last.index = index
  }

  /** None is called any more. */
  close(): void {
    this.#timer?.cancel()
    this.#timerAtMs = Number.NEGATIVE_INFINITY
  }

  #setTimer(atMs: number): void {
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.monotonic()), () => this.#pass())
  }

  #pass(): void {
    const now = this.#clock.monotonic()
    this.#timerAtMs = Number.POSITIVE_INFINITY
    let nextAtMs = Number.POSITIVE_INFINITY
    const due: Deadline[] = []
    for (const deadline of this.#waiting) {
      if (deadline.atMs <= now) due.push(deadline)
      else if (deadline.atMs < nextAtMs) nextAtMs = deadline.atMs
    }
    for (const deadline of due) this.withdraw(deadline)
    if (nextAtMs < Number.POSITIVE_INFINITY) this.#setTimer(Math.max(nextAtMs, now + betweenMs))
    for (const { pass } of due) pass()
  }
}
