import type { Clock } from '../../base/clock.js'

/** So much work is done before others get their turn: a byte counts one. */
const workAtOnce = 128 * 1024

/** Work on the event loop that lets others have their turn, now and then. */
export class GivingWay {
  readonly #clock: Clock
  #work = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Says that so much has been done; waits for the others if it is enough. */
  async did(work: number): Promise<void> {
    this.#work += work
    if (this.#work < workAtOnce) return
    this.#work = 0
    await new Promise<void>((resolve) => this.#clock.soon(resolve))
  }

  /** Goes through steps, each of which says what it cost; gives what comes of them. */
  async through<Result>(steps: Generator<number, Result, undefined>): Promise<Result> {
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      await this.did(step.value)
    }
  }
}
