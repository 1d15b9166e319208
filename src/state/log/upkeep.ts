import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { trimGraceDefaultMs } from '../ledger/fence.js'
import type { Ledger } from '../ledger/ledger.js'
import type { ObjectStore } from '../store/object-store.js'
import { Aged, type Mark, markOf } from './ages.js'
import { Collector } from './collector.js'
import { Compactor } from './compactor.js'
import type { UpkeepObserver } from './observer.js'
import { isShareOf, liveWriters } from './shares.js'

export interface UpkeepSettings {
  /** Records of one partition are moved into a segment of about so many bytes; it is held in memory meanwhile. */
  segmentBytes: number
  /** Time between two looks for what is to be compacted, milliseconds; what is younger stays where it is. */
  compactIntervalMs: number
  /** Records are compacted after so long even if they don't fill a segment, milliseconds. */
  compactAgeMs: number
  /** See `LedgerSettings`. */
  trimGraceMs: number
}

export const upkeepDefaults: UpkeepSettings = {
  segmentBytes: 32 * 1024 * 1024,
  compactIntervalMs: 30_000,
  compactAgeMs: 30 * 60_000,
  trimGraceMs: trimGraceDefaultMs,
}

/** Times that the store is looked through for garbage within the grace period. */
const collectionsPerGrace = 8

export interface UpkeepOptions {
  store: ObjectStore
  ledger: Ledger
  clock: Clock
  random: Random
  log: Log
  observer: UpkeepObserver
  settings: UpkeepSettings
}

/** Keeps what is in the store small, in the background. Every instance does its share; none depends on another. */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #stop = new AbortController()
  readonly #compactor: Compactor
  readonly #collector: Collector
  readonly #settled: Aged<Mark>
  readonly #old: Aged<Mark>
  #collectedAtMs: number
  readonly #loop: Promise<void>

  constructor(options: UpkeepOptions) {
    const { ledger, settings } = options
    this.#options = options
    const { signal } = this.#stop
    const { trimGraceMs } = settings
    this.#compactor = new Compactor({ ...options, proposer: ledger, ledger: 0, signal })
    this.#collector = new Collector({ ...options, proposer: ledger, ledger: 0, trimGraceMs, signal })
    this.#settled = new Aged(settings.compactIntervalMs)
    this.#old = new Aged(settings.compactAgeMs)
    this.#collectedAtMs = options.clock.monotonic()
    this.#loop = this.#run()
  }

  /** Stops; what is under way comes to its end. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { clock, random, log, settings } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.pass()
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the upkeep of the store failed; it is tried again')
      }
      await clock.sleep(settings.compactIntervalMs * (0.75 + random.next() / 2), signal)
    }
  }

  /** Does once what is due. */
  async pass(): Promise<void> {
    const { clock, ledger, settings } = this.#options
    const now = clock.monotonic()
    const mark = markOf(ledger.sequence, ledger.state)
    for (const marks of [this.#settled, this.#old]) marks.note(now, mark)
    const live = liveWriters(ledger.state.writers, clock.now())
    const settled = this.#settled.before(now, settings.compactIntervalMs)
    const { segmentBytes, compactAgeMs } = settings
    if (settled !== undefined)
      await this.#compactor.pass({ segmentBytes, settled, old: this.#old.before(now, compactAgeMs) }, live)
    if (now - this.#collectedAtMs < settings.trimGraceMs / collectionsPerGrace || this.#stop.signal.aborted) return
    this.#collectedAtMs = now
    await this.#collector.look()
    if (isShareOf(ledger.writer, live, 'collector')) await this.#collector.pass()
  }
}
