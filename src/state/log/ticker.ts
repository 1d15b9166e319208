import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Proposer } from '../ledger/proposer.js'
import { oldestSnapshot } from '../ledger/snapshot.js'
import type { ObjectStore } from '../store/object-store.js'
import { isShareOf, liveWriters } from './shares.js'

/** How often within the grace period the clock ticks, and how often it is looked at between two ticks. */
const ticksPerGrace = 8
const looksPerTick = 8
/** Is it late by this much, somebody else ticks than the one whose turn it is: that one may be gone. */
const patience = 1.5
/** A tick says that no more than so many times that has passed: a clock that leaps forward can't do much harm. */
const ticksAtOnce = 2

export interface TickerOptions {
  store: ObjectStore
  /** With the sequence number of the last entry applied. */
  proposer: Proposer & { readonly sequence: number }
  clock: Clock
  random: Random
  log: Log
  ledger: number
  /** See `LedgerSettings`. */
  trimGraceMs: number
  /** The greatest age that anybody asks the ledger's clock for, milliseconds. */
  longestMs: number
  signal: AbortSignal
}

/** Has the ledger's clock go on (`views/ledger-clock.ts`), for `trim_grace_ms` / 8 each time. */
export class Ticker {
  readonly #options: TickerOptions
  readonly #tickMs: number
  /** The last tick known here, and when it came to be known, by this process's monotonic clock. */
  #ticks: number
  #sinceMs: number

  constructor(options: TickerOptions) {
    const { proposer, clock, trimGraceMs } = options
    this.#options = options
    this.#tickMs = trimGraceMs / ticksPerGrace
    this.#ticks = proposer.state.clock.ticks
    this.#sinceMs = clock.monotonic()
  }

  /** Ticks when it is due, until this instance ends. */
  async run(): Promise<void> {
    const { clock, random, log, signal } = this.#options
    while (!signal.aborted) {
      await clock.sleep((this.#tickMs / looksPerTick) * (0.75 + random.next() / 2), signal)
      if (signal.aborted) return
      try {
        await this.#look()
      } catch (error) {
        log.warn({ error: messageOf(error) }, "the ledger's clock could not go on; it is tried again")
      }
    }
  }

  async #look(): Promise<void> {
    const { store, proposer, clock, ledger, trimGraceMs, longestMs } = this.#options
    const { writer, state } = proposer
    this.#see()
    const ms = Math.floor(clock.monotonic() - this.#sinceMs)
    const live = liveWriters(state.writers, clock.now(), trimGraceMs / 4)
    if (ms < this.#tickMs * (isShareOf(writer, live, 'clock') ? 1 : patience)) return
    const from = this.#ticks
    const covered = await oldestSnapshot(store, ledger)
    await proposer.propose('tick', {
      from,
      ms: Math.min(ms, ticksAtOnce * this.#tickMs),
      keepMs: Math.max(trimGraceMs, longestMs),
      sequence: proposer.sequence,
      covered,
    })
    this.#see()
  }

  #see(): void {
    const { ticks } = this.#options.proposer.state.clock
    if (ticks === this.#ticks) return
    this.#ticks = ticks
    this.#sinceMs = this.#options.clock.monotonic()
  }
}
