import type { Clock } from '../base/clock.js'
import { UnavailableError } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import { ErrorCode } from '../protocol/error-codes.js'
import type { Cluster, Leases, Logs, PipelineOffsets, Producers, Topics } from './cluster.js'
import { leases } from './groups/leases.js'
import { pipelineOffsets } from './groups/pipeline-offsets.js'
import { openIdentity } from './ledger/identity.js'
import { Ledger, type LedgerSettings } from './ledger/ledger.js'
import { type LedgerObserver, noLedgerObserver } from './ledger/observer.js'
import type { Proposer } from './ledger/proposer.js'
import { type CleanerObserver, noCleanerObserver } from './log/cleaner-observer.js'
import { type CacheObserver, LogBytes } from './log/log-bytes.js'
import { clusterLogs } from './log/logs.js'
import { noUpkeepObserver, type UpkeepObserver } from './log/observer.js'
import { Retention } from './log/retention.js'
import { Upkeep, type UpkeepSettings, upkeepDefaults } from './log/upkeep.js'
import type { ObjectStore } from './store/object-store.js'
import { byPurpose, noPurposeObserver, type PurposeObserver } from './store/purposes.js'

export interface ClusterSettings extends LedgerSettings, Partial<Omit<UpkeepSettings, 'trimGraceMs'>> {
  /** Record bytes kept in memory for readers. */
  cacheBytes: number
}

export interface ClusterOptions {
  store: ObjectStore
  clock: Clock
  random: Random
  log: Log
  settings: ClusterSettings
  ledgerObserver?: LedgerObserver
  cacheObserver?: CacheObserver
  purposeObserver?: PurposeObserver
  upkeepObserver?: UpkeepObserver
  cleanerObserver?: CleanerObserver
  /** This instance can't go on; `main` ends the process. */
  onFatal(error: Error): void
}

/** A cluster, and what only `main` and the group coordinator may use of it. */
export interface OpenCluster extends Cluster {
  readonly proposer: Proposer
  /** Sequence number of the last applied entry. */
  ledgerSequence(): number
  /** Record bytes in memory. */
  cachedBytes(): number
  /** Record bytes that readers wait for. */
  heldBytes(): number
  /** Memory for record bytes that waits to be used again, bytes. */
  idleBytes(): number
}

/** An instance that can't go on leaves what it has under way after so long, milliseconds. */
const abandonMs = 1_000
/** Puts that fail, or a tail that is not seen, for longer than this make an instance unfit, milliseconds. */
const unhealthyAfterMs = 5_000

/**
 * Opens the cluster that the store holds; makes one of an empty store.
 * @throws StoreError, CorruptObjectError, UnavailableError if the store can't be read, written or understood.
 */
export async function openCluster(options: ClusterOptions): Promise<OpenCluster> {
  const { clock, random, log, settings } = options
  const failed = new AbortController()
  const onFatal = (error: Error) => {
    failed.abort()
    options.onFatal(error)
  }
  const stores = byPurpose(options.store, clock, options.purposeObserver ?? noPurposeObserver)
  const identity = await openIdentity(stores.ledger, random)
  const bytes = new LogBytes({
    tail: stores.tail,
    backfill: stores.backfill,
    ledger: 0,
    cacheBytes: settings.cacheBytes,
    observer: options.cacheObserver ?? { lookedUp() {} },
  })
  const ledger = await Ledger.open({
    store: stores.ledger,
    upkeepStore: stores.upkeep,
    clock,
    random,
    log,
    settings,
    observer: options.ledgerObserver ?? noLedgerObserver,
    keepBytes: (object, position, pieces) => bytes.keep(object, position, pieces),
    recordsOrdered: (object, length) => bytes.ordered(object, length),
    onFatal,
  })
  const { clusterId } = identity
  return new LedgerCluster({ ...options, clusterId, ledger, bytes, upkeepStore: stores.upkeep, failed: failed.signal })
}

class LedgerCluster implements OpenCluster {
  readonly clusterId: string
  readonly topics: Topics
  readonly logs: Logs
  readonly producers: Producers
  readonly leases: Leases
  readonly pipelineOffsets: PipelineOffsets
  readonly #ledger: Ledger
  readonly #bytes: LogBytes
  readonly #store: ObjectStore
  readonly #retention: Retention
  readonly #upkeep: Upkeep
  readonly #leases: ReturnType<typeof leases>
  readonly #abandoned: Promise<void>
  #isClosed = false

  constructor(
    options: ClusterOptions & {
      clusterId: string
      ledger: Ledger
      bytes: LogBytes
      upkeepStore: ObjectStore
      /** Aborted when this instance can't go on. */
      failed: AbortSignal
    },
  ) {
    const { ledger, random, clock, log, bytes, failed } = options
    this.#abandoned = new Promise<void>((resolve) => failed.addEventListener('abort', () => resolve())).then(() =>
      clock.sleep(abandonMs),
    )
    this.clusterId = options.clusterId
    this.#ledger = ledger
    this.#bytes = bytes
    this.#store = options.store
    this.topics = clusterTopics(ledger, random)
    this.logs = clusterLogs(ledger, bytes)
    this.producers = clusterProducers(ledger)
    this.#leases = leases({ proposer: ledger, clock, random, log })
    this.leases = this.#leases
    this.pipelineOffsets = pipelineOffsets({ proposer: ledger })
    this.#retention = new Retention({ proposer: ledger, clock, random, log })
    this.#upkeep = new Upkeep({
      store: options.upkeepStore,
      ledger,
      clock,
      random,
      log,
      observer: options.upkeepObserver ?? noUpkeepObserver,
      cleanerObserver: options.cleanerObserver ?? noCleanerObserver,
      settings: { ...upkeepDefaults, ...options.settings },
    })
  }

  get proposer(): Proposer {
    return this.#ledger
  }

  ledgerSequence(): number {
    return this.#ledger.sequence
  }

  cachedBytes(): number {
    return this.#bytes.bytes
  }

  heldBytes(): number {
    return this.#bytes.heldBytes
  }

  idleBytes(): number {
    return this.#bytes.pool.idleBytes
  }

  barrier(): Promise<void> {
    return this.#ledger.barrier()
  }

  unhealthy(): string | undefined {
    if (this.#isClosed) return 'this instance is shutting down'
    const failure = this.#ledger.putFailure()
    if (failure !== undefined && failure.forMs > unhealthyAfterMs)
      return `the store cannot be written for ${Math.round(failure.forMs / 1_000)} s: ${failure.reason}`
    const ageMs = this.#ledger.tailAgeMs()
    if (ageMs > unhealthyAfterMs) return `the store cannot be read for ${Math.round(ageMs / 1_000)} s`
    return undefined
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // Of an instance that can't go on nothing counts any more: it does not wait for a store that may never answer.
    await Promise.race([this.#finish(), this.#abandoned])
    await this.#store.close()
  }

  async #finish(): Promise<void> {
    await this.#retention.close()
    await this.#upkeep.close()
    await this.#leases.close()
    await this.#ledger.close()
  }
}

function clusterTopics(proposer: Proposer, random: Random): Topics {
  const { state } = proposer
  return {
    byName: (name) => state.topics.byName(name),
    byId: (id) => state.topics.byId(id),
    all: () => state.topics.all(),
    create: ({ name, partitionCount, configs }) =>
      proposer.propose('createTopic', { name, id: random.hex(16), partitionCount, configs: [...configs] }),
    delete: (id) => proposer.propose('deleteTopic', { id }),
    createPartitions: (id, partitionCount) => proposer.propose('createPartitions', { id, partitionCount }),
  }
}

function clusterProducers(proposer: Proposer): Producers {
  return {
    async init() {
      const { producerId } = await proposer.propose('allocateProducerId', {})
      if (!Number.isSafeInteger(producerId)) throw new UnavailableError('all producer ids have been given')
      return { errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }
    },
  }
}
