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
/** A put of a small entry is quick that takes less than this, milliseconds; they are if so many of the last 32 were. */
const quickMs = 0.25
const quickMin = 24
/** Where they were not, one of so many is tried again; the more seldom the more of them are slow. */
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
   * Which of the last 32 puts of small entries were quick, a bit each. An average would say nothing for a while after one that was
   * held up; and a part in a lane takes longer than an entry.
   */
  #quick = 0
  #trialEvery = trialsFirst
  #untilTrial = trialsFirst

  constructor(options: PutsOptions) {
    this.#options = options
  }

  /**
   * Whether it costs so little to lose a place with so many bytes that to leave them in a lane would cost more: that is one
   * more file, for which we and the sequencer pay, where the next put makes the loss good at once. Measured with two processes on
   * a directory without flushes, 128 connections with small requests: 15 instead of 20 µs of CPU each, p99 4.7 instead of 7.4 ms.
   * Where puts take their time (0.9 ms with flushes), or are large, whoever competes loses again and again: p99 was 3 to 15 times
   * as long there.
   */
  loseLittle(bytes: number): boolean {
    if (bytes > lostBytesMax) return false
    let quick = 0
    for (let bits = this.#quick; bits !== 0; bits &= bits - 1) quick++
    if (quick >= quickMin) return true
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
      if (isEntry && bytesOf(body) <= lostBytesMax) this.#notePace(ms < quickMs)
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

  #notePace(isQuick: boolean): void {
    this.#quick = (this.#quick << 1) | (isQuick ? 1 : 0)
    this.#trialEvery = isQuick ? trialsFirst : Math.min(2 * this.#trialEvery, trialsLast)
  }

  #failed(error: StoreError): void {
    this.#options.observer.putFailed()
    this.#failingSince ??= this.#options.clock.monotonic()
    this.#lastFailure = error.message
  }
}

const bytesOf = (pieces: readonly Buffer[]) => pieces.reduce((sum, piece) => sum + piece.length, 0)
