import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Proposer } from '../ledger/proposer.js'
import { isShareOf, liveWriters } from './shares.js'

/** How often within the grace period an instance looks who is there. */
const looksPerGrace = 8
/** Writers forgotten by one command at most; the rest goes with the next look. */
const forgottenAtOnce = 1_000

export interface PresenceOptions {
  proposer: Proposer
  clock: Clock
  random: Random
  log: Log
  /** See `LedgerSettings`. */
  trimGraceMs: number
}

/**
 * Who is still there of all who ever wrote? Every process start is a writer of its own, so those that are gone must be
 * forgotten. An instance that has nothing to write gives a sign of life all the same, more often than every
 * `trim_grace_ms` / 3; who gave none for `trim_grace_ms`, by the ledger's own clock, is gone.
 * Should one be forgotten that lives after all, none of its parts takes effect any more: it learns of that from the ledger, and ends.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #stop = new AbortController()
  #ownIndex = 0
  readonly #loop: Promise<void>

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#loop = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { clock, random, log, trimGraceMs } = this.#options
    const { signal } = this.#stop
    const pauseMs = trimGraceMs / looksPerGrace
    for (let waitMs = pauseMs; ; waitMs = pauseMs * (0.75 + random.next() / 2)) {
      await clock.sleep(waitMs, signal)
      if (signal.aborted) return
      try {
        await this.#look()
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'a sign of life could not be given; it is tried again')
      }
    }
  }

  async #look(): Promise<void> {
    const { proposer, clock, trimGraceMs } = this.#options
    const { writer, state } = proposer
    if (state.writers.lastIndex(writer) === this.#ownIndex) await proposer.propose('touchWriter', {})
    this.#ownIndex = state.writers.lastIndex(writer)
    if (!isShareOf(writer, liveWriters(state.writers, clock.now(), trimGraceMs / 4), 'presence')) return
    const silent = [...(state.clock.before(trimGraceMs)?.indexes ?? [])].filter(
      ([each, index]) => each !== writer && state.writers.lastIndex(each) === index,
    )
    if (silent.length === 0) return
    await proposer.propose('forgetWriters', { writers: silent.slice(0, forgottenAtOnce) })
  }
}
