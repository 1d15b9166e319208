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
/** It takes no time to find a place taken if it takes less than this, milliseconds; it usually does if so many of the last 32 did. */
const atOnceMs = 0.25
const atOnceMin = 24
/** Where it did not, one of so many is tried again; the more seldom the longer it takes. */
const trialsFirst = 32
const trialsLast = 1_024
/** Where puts take longer than this, milliseconds, none is. */
const trialMsMax = 5
/** More bytes than these are not written in vain, and how long they take says nothing of fewer. */
const lostBytesMax = 64 * 1024

/** The puts of one instance into ledger and lane: made until they are answered. Knows how long they take and whether they fail. */
export class Puts {
  readonly #options: PutsOptions
  #failingSince: number | undefined
  #lastFailure = ''
  /** How long a put takes, milliseconds; a moving average. 0 until one was answered. */
  usualMs = 0
  #answered = 0
  /**
   * A bit for each of the last 32 places of small entries, whether it was, or would have been, found taken at once. An average
   * would say nothing for a while after one that was held up.
   */
  #atOnce: number
  #trialEvery = trialsFirst
  #untilTrial = trialsFirst

  constructor(options: PutsOptions) {
    this.#options = options
    this.#atOnce = options.store.kind === 'local' ? 0xffffffff : 0
  }

  /**
   * Decides whether to compete for a place with so many bytes although it will often be lost. Where that is found out at once, the
   * next place is tried at once, also while what stands there is still being flushed: a lost place costs a look, or a record of
   * some hundred bytes. A lane costs a file, for which we and the sequencer pay. Measured with two processes on a directory, 128
   * connections with requests of 100 B: with flushes 20 instead of 34 µs of CPU each, p99 5.4 instead of 9.3 ms; without 14 instead
   * of 20, and 3.9 instead of 7.4. Where it takes time, or entries are large, whoever competes loses again and again.
   */
  decideToCompete(bytes: number): boolean {
    if (bytes > lostBytesMax) return false
    let atOnce = 0
    for (let bits = this.#atOnce; bits !== 0; bits &= bits - 1) atOnce++
    if (atOnce >= atOnceMin) return true
    if (--this.#untilTrial > 0 || this.usualMs > trialMsMax) return false
    this.#untilTrial = this.#trialEvery
    return true
  }

  /**
   * Puts those bytes until the store says what stands there, or nobody needs to know any more. `isEntry`: at the tail of the
   * ledger, not into a lane.
   */
  async put(
    key: string,
    body: readonly Buffer[],
    isMoot: () => boolean,
    isEntry: boolean,
  ): Promise<PutOutcome | 'moot'> {
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
      // What is created is flushed, perhaps: that it took its time says nothing.
      if (isEntry && (ms < atOnceMs || outcome === 'exists') && bytesOf(body) <= lostBytesMax)
        this.#noteLoss(ms < atOnceMs)
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

  #noteLoss(isAtOnce: boolean): void {
    this.#atOnce = (this.#atOnce << 1) | (isAtOnce ? 1 : 0)
    this.#trialEvery = isAtOnce ? trialsFirst : Math.min(2 * this.#trialEvery, trialsLast)
  }

  #failed(error: StoreError): void {
    this.#options.observer.putFailed()
    this.#failingSince ??= this.#options.clock.monotonic()
    this.#lastFailure = error.message
  }
}

const bytesOf = (pieces: readonly Buffer[]) => pieces.reduce((sum, piece) => sum + piece.length, 0)
