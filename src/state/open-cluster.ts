import type { Clock } from '../base/clock.js'
import { UnavailableError } from '../base/errors.js'
import type { Log } from '../base/log.js'
import { noPins, type Pins } from '../base/pinned-memory.js'
import type { Random } from '../base/random.js'
import { ErrorCode } from '../protocol/error-codes.js'
import type { Cluster, Producers, Topics } from './cluster.js'
import { type Coordinator, GroupCoordinator, type GroupCoordinatorOptions } from './groups/coordinator.js'
import { openIdentity } from './ledger/identity.js'
import type { LedgerSettings } from './ledger/ledger.js'
import type { LedgerObserver } from './ledger/observer.js'
import type { Proposer } from './ledger/proposer.js'
import { WaitingBytes } from './ledger/waiting-bytes.js'
import type { CleanerObserver } from './log/cleaner-observer.js'
import type { CleaningWork } from './log/cleaning-work.js'
import type { CacheObserver } from './log/log-bytes.js'
import type { UpkeepObserver } from './log/observer.js'
import { type UpkeepSettings, upkeepTurns } from './log/upkeep.js'
import { manyLedgers } from './many-ledgers.js'
import { type OpenLedger, openLedger } from './open-ledger.js'
import type { ObjectStore } from './store/object-store.js'
import { byPurpose, noPurposeObserver, type PurposeObserver } from './store/purposes.js'

export interface ClusterSettings extends LedgerSettings, Partial<Omit<UpkeepSettings, 'trimGraceMs'>> {
  /** Record bytes kept in memory for readers. */
  cacheBytes: number
  /** How many ledgers the cluster is to have, if it is made now; undefined: as many as it has, a new one has one. */
  ledgers?: number | undefined
}

/** Those who are told what each ledger does. */
export interface LedgerObservers {
  ledgerObserver?: LedgerObserver
  upkeepObserver?: UpkeepObserver
  cleanerObserver?: CleanerObserver
}

export interface ClusterOptions extends LedgerObservers {
  store: ObjectStore
  clock: Clock
  random: Random
  log: Log
  settings: ClusterSettings
  cacheObserver?: CacheObserver
  purposeObserver?: PurposeObserver
  /** Who uses the memory of record batches that are appended, if it is used again. */
  pins?: Pins
  /** Observers of one of the ledgers, in the place of those of all. */
  observersOf?: (ledger: number) => LedgerObservers
  /** Where records are unpacked and packed when partitions are cleaned; on the event loop unless given. */
  cleaningWork?: CleaningWork
  /** This instance can't go on; `main` ends the process. */
  onFatal(error: Error): void
}

/** A cluster, and what only `main` may use of it. */
export interface OpenCluster extends Cluster {
  /** Its ledgers, by their numbers. */
  readonly proposers: readonly Proposer[]
  /** The home ledger. */
  readonly proposer: Proposer
  /** Sequence number of the last applied entry of a ledger, the home ledger unless given. */
  ledgerSequence(ledger?: number): number
  /** Record bytes in memory. */
  cachedBytes(): number
  /** Record bytes that readers wait for. */
  heldBytes(): number
  /** Memory for record bytes that waits to be used again, bytes. */
  idleBytes(): number
  /** The coordinator of all groups on this instance. To be closed before the cluster. */
  openGroups(options: Omit<GroupCoordinatorOptions, 'proposer'>): Coordinator
}

/** An instance that can't go on leaves what it has under way after so long, milliseconds. */
const abandonMs = 1_000

/**
 * Opens the cluster that the store holds; makes one of an empty store.
 * @throws StoreError, CorruptObjectError, UnavailableError if the store can't be read, written or understood;
 * LedgerCountError if it has another number of ledgers than the settings say.
 */
export async function openCluster(options: ClusterOptions): Promise<OpenCluster> {
  const { clock, random, settings, pins = noPins } = options
  const stores = byPurpose(options.store, clock, options.purposeObserver ?? noPurposeObserver)
  const { clusterId, ledgers: count } = await openIdentity(stores.ledger, random, settings.ledgers)
  const shared = { waiting: new WaitingBytes(settings.waitingBytesMax), turns: upkeepTurns(), pins }
  const failed = new AbortController()
  const onFatal = (error: Error) => {
    // If one ledger can't go on, the others will soon say so too.
    if (!failed.signal.aborted) options.onFatal(error)
    failed.abort()
  }
  const abandoned = new Promise<void>((resolve) => failed.signal.addEventListener('abort', () => resolve())).then(() =>
    clock.sleep(abandonMs),
  )
  const opening = Array.from({ length: count }, (_, number) =>
    openLedger({ ...options, ...shared, onFatal, stores, number, ledgers: count }),
  )
  const ledgers = await all(opening)
  for (const ledger of ledgers) ledger.begin()
  const [home] = ledgers as [OpenLedger, ...OpenLedger[]]
  const cluster =
    count === 1
      ? oneLedger(random, clusterId, home)
      : manyLedgers({ ...options, ...shared, clusterId, ledgers, producers: clusterProducers(home.ledger) })
  let isClosed = false
  return {
    ...cluster,
    unhealthy: () => (isClosed ? 'this instance is shutting down' : cluster.unhealthy()),
    async close() {
      if (isClosed) return
      isClosed = true
      try {
        // Of an instance that can't go on nothing counts any more: it does not wait for a store that may never answer.
        await Promise.race([cluster.close(), abandoned])
      } finally {
        await options.store.close()
      }
    },
  }
}

/** All ledgers, or none: those that could be opened are closed again. */
async function all(opening: readonly Promise<OpenLedger>[]): Promise<OpenLedger[]> {
  const outcomes = await Promise.allSettled(opening)
  const ledgers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed === undefined) return ledgers
  await Promise.allSettled(ledgers.map((ledger) => ledger.close()))
  throw failed.reason
}

/** A cluster with one ledger: the ledger is all that there is to it. */
function oneLedger(random: Random, clusterId: string, open: OpenLedger): OpenCluster {
  const { ledger, bytes } = open
  return {
    clusterId,
    topics: clusterTopics(ledger, random),
    logs: open.logs,
    producers: clusterProducers(ledger),
    leases: open.leases,
    pipelineOffsets: open.pipelineOffsets,
    proposer: ledger,
    proposers: [ledger],
    ledgerSequence: () => ledger.sequence,
    cachedBytes: () => bytes.bytes,
    heldBytes: () => bytes.heldBytes,
    idleBytes: () => bytes.pool.idleBytes,
    openGroups: (groups) => new GroupCoordinator({ ...groups, proposer: ledger }),
    barrier: () => ledger.barrier(),
    unhealthy: () => open.unhealthy(),
    close: () => open.close(),
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
    barrier: () => proposer.barrier(),
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
