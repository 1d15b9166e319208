import type { Clock } from '../../base/clock.js'
import type { Traffic } from './traffic.js'

/** For so many turns of the event loop at most, proposals wait for those that come in with the next. */
const turnsMax = 4

export interface GatheringOptions {
  clock: Clock
  traffic: Traffic
  /** How many wait. */
  waiting(): number
  /** What has come in is to be gone on with. */
  onGathered(): void
}

/**
 * Waits until what has come in together is handled, so that it goes into one flush. Others pay for each of our entries as we do, so
 * while they write, more is put into one: as long as each turn of the event loop brings more than the one before, it is waited for
 * the next; who comes alone waits for one more. Measured with two processes, 128 connections with requests of 100 B: 0.96 of the
 * CPU, with flushes 0.88.
 */
export class Gathering {
  readonly #options: GatheringOptions
  #isUnderWay = false

  constructor(options: GatheringOptions) {
    this.#options = options
  }

  begin(): void {
    if (this.#isUnderWay) return
    this.#isUnderWay = true
    this.#gather(0, 0)
  }

  /** `had`: how many waited a turn before. */
  #gather(turn: number, had: number): void {
    const { clock, traffic, waiting, onGathered } = this.#options
    clock.soon(() => {
      const count = waiting()
      if (turn < turnsMax && count > had && traffic.areOthersBusy()) return this.#gather(turn + 1, count)
      this.#isUnderWay = false
      onGathered()
    })
  }
}
