import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Topic } from '../cluster.js'
import { trimGraceDefaultMs } from '../ledger/fence.js'
import type { Ledger } from '../ledger/ledger.js'
import { Gate } from '../store/gate.js'
import type { ObjectStore } from '../store/object-store.js'
import { topicConfig } from '../topic-configs.js'
import type { PartitionLog } from '../views/partition-log.js'
import { Aged, type Mark, markOf } from './ages.js'
import { Cleaner } from './cleaner.js'
import type { CleanerObserver } from './cleaner-observer.js'
import type { CleaningWork } from './cleaning-work.js'
import { Collector } from './collector.js'
import type { PlanOptions } from './compaction-plan.js'
import { Compactor } from './compactor.js'
import type { UpkeepObserver } from './observer.js'
import { Presence } from './presence.js'
import { SegmentStore } from './segment-store.js'
import { isShareOf, liveWriters } from './shares.js'
import { Ticker } from './ticker.js'

export interface UpkeepSettings {
  /** Records of one partition are moved into a segment of about so many bytes; it is held in memory meanwhile. */
  segmentBytes: number
  /** Time between two looks for what is to be compacted, milliseconds; what is younger stays where it is. */
  compactIntervalMs: number
  /** Records are compacted after so long even if they don't fill a segment, milliseconds. */
  compactAgeMs: number
  /** Memory for the keys of a compacted topic's partition while it is cleaned, bytes. */
  dedupeBufferBytes: number
  /** See `LedgerSettings`. */
  trimGraceMs: number
}

export const upkeepDefaults: UpkeepSettings = {
  segmentBytes: 32 * 1024 * 1024,
  compactIntervalMs: 30_000,
  compactAgeMs: 30 * 60_000,
  dedupeBufferBytes: 64 * 1024 * 1024,
  trimGraceMs: trimGraceDefaultMs,
}

/** A writer that wrote nothing for so long does no upkeep, milliseconds; or for so long that it may have been fenced. */
const liveMs = 5 * 60_000
/** Times that the store is looked through for garbage within the grace period. */
const collectionsPerGrace = 8

/** What the ledgers of one process do one after the other, since it takes memory. */
export interface UpkeepTurns {
  /** Making a segment. */
  compaction: Gate
  /** Cleaning a partition. */
  cleaning: Gate
}

export const upkeepTurns = (): UpkeepTurns => ({ compaction: new Gate(1), cleaning: new Gate(1) })

export interface UpkeepOptions {
  store: ObjectStore
  ledger: Ledger
  /** Its number, and how many there are. */
  number: number
  ledgers: number
  turns: UpkeepTurns
  clock: Clock
  random: Random
  log: Log
  observer: UpkeepObserver
  cleanerObserver: CleanerObserver
  cleaningWork: CleaningWork
  settings: UpkeepSettings
}

/** Keeps what is in the store small, in the background. Every instance does its share; none depends on another. */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #stop = new AbortController()
  readonly #compactor: Compactor
  readonly #cleaner: Cleaner
  readonly #collector: Collector
  readonly #presence: Presence
  readonly #settled: Aged<Mark>
  readonly #old: Aged<Mark>
  #collectedAtMs: number
  readonly #loops: Promise<unknown>

  constructor(options: UpkeepOptions) {
    const { ledger, settings, random, number, ledgers, turns } = options
    this.#options = options
    const { signal } = this.#stop
    const { trimGraceMs } = settings
    const proposing = { ...options, proposer: ledger, ledger: number, signal }
    const segments = new SegmentStore(proposing)
    this.#compactor = new Compactor({ ...proposing, segments, turn: turns.compaction })
    const { cleanerObserver: observer, cleaningWork: work } = options
    this.#cleaner = new Cleaner({ ...proposing, ...settings, segments, observer, work, turn: turns.cleaning })
    this.#collector = new Collector({ ...proposing, ledgers, trimGraceMs })
    this.#presence = new Presence({ ...options, proposer: ledger, trimGraceMs })
    this.#settled = new Aged(settings.compactIntervalMs)
    this.#old = new Aged(settings.compactAgeMs)
    this.#collectedAtMs = options.clock.monotonic()
    const ticker = new Ticker({ ...proposing, trimGraceMs, longestMs: settings.compactAgeMs })
    this.#loops = Promise.all([
      ticker.run(),
      this.#run(
        () => this.pass(),
        () => settings.compactIntervalMs * (0.75 + random.next() / 2),
      ),
      // Shares keep instances apart: they may look at the same time.
      this.#run(
        () => this.clean(),
        () => settings.compactIntervalMs,
      ),
    ])
  }

  /** Stops; what is under way comes to its end. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#presence.close()
    await this.#loops
  }

  async #run(pass: () => Promise<void>, pauseMs: () => number): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await pass()
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the upkeep of the store failed; it is tried again')
      }
      await clock.sleep(pauseMs(), signal)
    }
  }

  /** Cleans once what is due of compacted topics. That may take long, and moving flushed records must not wait for it. */
  clean(): Promise<void> {
    return this.#cleaner.pass(this.#live())
  }

  #live(): number[] {
    const { clock, ledger, settings } = this.#options
    return liveWriters(ledger.state.writers, clock.now(), Math.min(liveMs, settings.trimGraceMs / 4))
  }

  /** Does once what else is due. */
  async pass(): Promise<void> {
    const { clock, ledger, settings } = this.#options
    const now = clock.monotonic()
    const mark = markOf(ledger.sequence, ledger.state)
    for (const marks of [this.#settled, this.#old]) marks.note(now, mark)
    const live = this.#live()
    const settled = this.#mark(this.#settled, now, settings.compactIntervalMs)
    const { segmentBytes, compactAgeMs } = settings
    if (settled !== undefined) {
      const plan: PlanOptions = { segmentBytes, settled, old: this.#mark(this.#old, now, compactAgeMs) }
      await this.#compactor.pass((topic, log) => this.#planOf(topic, log, plan, now), live)
    }
    if (now - this.#collectedAtMs < settings.trimGraceMs / collectionsPerGrace || this.#stop.signal.aborted) return
    this.#collectedAtMs = now
    if (isShareOf(ledger.writer, live, 'collector')) await this.#collector.pass()
  }

  /**
   * A compacted partition's records move while they may still wait for their cleaning, and what is clean is not mixed
   * with what isn't.
   */
  #planOf(topic: Topic, log: PartitionLog, plan: PlanOptions, nowMs: number): PlanOptions {
    const { isCompacted, maxCompactionLagMs } = topicConfig(topic.configs)
    if (!isCompacted) return plan
    const ageMs = Math.min(maxCompactionLagMs, this.#options.settings.compactAgeMs)
    const mergeFrom = this.#cleaner.current === log ? Number.POSITIVE_INFINITY : log.firstDirtyOffset
    return { ...plan, old: this.#mark(this.#old, nowMs, ageMs), mergeFrom }
  }

  /** What the ledger had come to so long ago: by what this process remembers, or, if that is later, by the ledger's clock. */
  #mark(marks: Aged<Mark>, nowMs: number, ageMs: number): Mark | undefined {
    const own = marks.before(nowMs, ageMs)
    const known = this.#options.ledger.state.clock.before(ageMs)
    return (own?.sequence ?? 0) > (known?.sequence ?? 0) ? own : known
  }
}
