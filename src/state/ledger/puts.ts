import type { Clock } from '../../base/clock.js'
import type { StoreError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Pins } from '../../base/pinned-memory.js'
import type { Random } from '../../base/random.js'
import type { ObjectStore, PutOutcome } from '../store/object-store.js'
import { putUntilAnswered } from './insistent-put.js'
import type { LedgerObserver } from './observer.js'

export interface PutsOptions {
  store: ObjectStore
  clock: Clock
  random: Random
  log: Log
  observer: LedgerObserver
  pins: Pins
}

/** A moving average is of so many puts, about. */
const usualOf = 10

/** The puts of one instance into ledger and lane: made until they are answered. Knows how long they take and whether they fail. */
export class Puts {
  readonly #options: PutsOptions
  #failingSince: number | undefined
  #lastFailure = ''
  /** How long a put takes, milliseconds; a moving average. 0 until one was answered. */
  usualMs = 0
  #answered = 0

  constructor(options: PutsOptions) {
    this.#options = options
  }

  /** Puts those bytes until the store says what stands there, or nobody needs to know any more. */
  async put(key: string, body: readonly Buffer[], isMoot: () => boolean): Promise<PutOutcome | 'moot'> {
    const { store, clock, random, log, pins } = this.#options
    for (const piece of body) pins.pin(piece)
    const onFailure = (error: StoreError) => this.#failed(error)
    const since = clock.monotonic()
    const outcome = await putUntilAnswered({ store, clock, random, log, key, body, isMoot, onFailure })
    if (outcome !== 'moot') {
      // Also when the place was taken: who always loses must learn that it competes.
      const ms = clock.monotonic() - since
      this.#answered = Math.min(this.#answered + 1, usualOf)
      this.usualMs += (ms - this.usualMs) / this.#answered
      this.#failingSince = undefined
      // Of one that is moot there may be an attempt under way.
      for (const piece of body) pins.unpin(piece)
    }
    return outcome
  }

  /** How long puts have been failing, and why; undefined while they succeed. */
  failure(): { forMs: number; reason: string } | undefined {
    if (this.#failingSince === undefined) return undefined
    return { forMs: this.#options.clock.monotonic() - this.#failingSince, reason: this.#lastFailure }
  }

  #failed(error: StoreError): void {
    this.#options.observer.putFailed()
    this.#failingSince ??= this.#options.clock.monotonic()
    this.#lastFailure = error.message
  }
}
