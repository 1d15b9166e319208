import type { Pins } from '../base/pinned-memory.js'
import { leases } from './groups/leases.js'
import { pipelineOffsets } from './groups/pipeline-offsets.js'
import { Ledger } from './ledger/ledger.js'
import { noLedgerObserver } from './ledger/observer.js'
import type { WaitingBytes } from './ledger/waiting-bytes.js'
import { noCleanerObserver } from './log/cleaner-observer.js'
import { inlineCleaning } from './log/cleaning-work.js'
import { LogBytes } from './log/log-bytes.js'
import { clusterLogs } from './log/logs.js'
import { noUpkeepObserver } from './log/observer.js'
import { Retention } from './log/retention.js'
import { Upkeep, type UpkeepTurns, upkeepDefaults } from './log/upkeep.js'
import type { ClusterOptions } from './open-cluster.js'
import type { StoreByPurpose } from './store/purposes.js'

export interface OpenLedgerOptions extends ClusterOptions {
  stores: StoreByPurpose
  /** Its number, and how many there are. */
  number: number
  ledgers: number
  /** What the ledgers of this process share: they are as many as the cluster has, its memory is not. */
  waiting: WaitingBytes
  turns: UpkeepTurns
  pins: Pins
}

/** Puts that fail, or a tail that is not seen, for longer than this make an instance unfit, milliseconds. */
const unhealthyAfterMs = 5_000

/** One ledger of this process, its records and caches, the leases in it, and what keeps it small. */
export type OpenLedger = Awaited<ReturnType<typeof openLedger>>

/** @throws StoreError, CorruptObjectError, UnavailableError if the store can't be read, written or understood. */
export async function openLedger(options: OpenLedgerOptions) {
  const { stores, number, ledgers, settings, clock, random, waiting, pins } = options
  const observers = { ...options, ...options.observersOf?.(number) }
  const log = ledgers === 1 ? options.log : options.log.child({ ledger: number })
  const bytes = new LogBytes({
    tail: stores.tail,
    backfill: stores.backfill,
    ledger: number,
    cacheBytes: Math.floor(settings.cacheBytes / ledgers),
    pins,
    clock,
    observer: options.cacheObserver ?? { lookedUp() {} },
  })
  const ledger = await Ledger.open({
    ledger: number,
    store: stores.ledger,
    upkeepStore: stores.upkeep,
    clock,
    random,
    log,
    settings,
    waiting,
    observer: observers.ledgerObserver ?? noLedgerObserver,
    pins,
    keepBytes: (object, position, pieces) => bytes.keep(object, position, pieces),
    recordsOrdered: (object, length) => bytes.ordered(object, length),
    onFatal: options.onFatal,
  })
  const held = leases({ proposer: ledger, clock, random, log })
  let background: { close(): Promise<void> }[] = []

  return {
    ledger,
    bytes,
    logs: clusterLogs(ledger, bytes),
    leases: held,
    pipelineOffsets: pipelineOffsets({ proposer: ledger }),

    /** Begins to keep it small. */
    begin(): void {
      const retention = new Retention({ proposer: ledger, clock, random, log })
      const upkeep = new Upkeep({
        store: stores.upkeep,
        ledger,
        number,
        ledgers,
        turns: options.turns,
        clock,
        random,
        log,
        observer: observers.upkeepObserver ?? noUpkeepObserver,
        cleanerObserver: observers.cleanerObserver ?? noCleanerObserver,
        cleaningWork: options.cleaningWork ?? inlineCleaning(clock),
        settings: { ...upkeepDefaults, ...settings },
      })
      background = [retention, upkeep]
    },

    /** Why this instance should not be sent clients now, or undefined when all is well. */
    unhealthy(): string | undefined {
      const failure = ledger.putFailure()
      if (failure !== undefined && failure.forMs > unhealthyAfterMs)
        return `the store cannot be written for ${Math.round(failure.forMs / 1_000)} s: ${failure.reason}`
      const ageMs = ledger.tailAgeMs()
      if (ageMs > unhealthyAfterMs) return `the store cannot be read for ${Math.round(ageMs / 1_000)} s`
      return undefined
    },

    /** Finishes what is under way, and says good-bye. */
    async close(): Promise<void> {
      for (const each of background) await each.close()
      await held.close()
      await ledger.close()
    },
  }
}
