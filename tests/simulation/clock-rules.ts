import type { CommandOf } from '../../src/state/views/commands.js'
import type { State } from '../../src/state/views/state.js'
import type { History } from './history.js'

/** The ledger's clock, seen from outside: between two of its ticks at least as much time passes as it says. */
export class ClockRules {
  readonly #history: History
  readonly #nowMs: () => number
  #ticksBefore = 0
  /** When the last tick was stored, and what the clock said then. */
  #last = { atMs: 0, clockMs: 0 }

  /** `nowMs`: when the entry that is being applied was stored. */
  constructor(history: History, nowMs: () => number) {
    this.#history = history
    this.#nowMs = nowMs
  }

  before({ clock }: State): void {
    this.#ticksBefore = clock.ticks
  }

  ticked({ clock }: State, { from, ms }: CommandOf<'tick'>): void {
    const isDue = from === this.#ticksBefore
    if (isDue !== (clock.ticks === this.#ticksBefore + 1))
      this.#violation(`tick ${from} made ${clock.ticks} of ${this.#ticksBefore}`)
    if (clock.ticks === this.#ticksBefore) return
    const atMs = this.#nowMs()
    const passedMs = atMs - this.#last.atMs
    if (ms > passedMs || clock.nowMs - this.#last.clockMs > passedMs)
      this.#violation(`${clock.nowMs - this.#last.clockMs} ms were counted in ${Math.round(passedMs)} ms`)
    this.#last = { atMs, clockMs: clock.nowMs }
  }

  #violation(text: string): void {
    this.#history.violation('ledger clock', text)
  }
}
