import { createHash } from 'node:crypto'
import { messageOf } from '../../src/base/errors.js'
import { type Log, silentLog } from '../../src/base/log.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import type { Coordinator, GroupLimits } from '../../src/state/groups/coordinator.js'
import { pack } from '../../src/state/ledger/entry.js'
import { noLedgerObserver } from '../../src/state/ledger/observer.js'
import { Retention } from '../../src/state/log/retention.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import { retrying } from '../../src/state/store/retrying.js'
import { type State, toSnapshot } from '../../src/state/views/state.js'
import { spoiledMemory } from '../support/spoiled-memory.js'
import type { Connection } from './connection.js'
import { type Faults, faultyStore, type StoreUse } from './faulty-store.js'
import type { History } from './history.js'
import { SimulatedProcess } from './process.js'
import type { VirtualClock } from './virtual-clock.js'

/** A state is compared with the other instances' after every so many entries. */
const comparedEntries = 17

/** As the gateway has it: gets, listings and deletions are repeated for so long. */
const storeRetryMs = 2_000

export interface InstanceOptions {
  world: VirtualClock
  history: History
  /** Hashes of each ledger's state after an entry, as all instances found it. */
  folds: readonly Map<number, string>[]
  store: ObjectStore
  faults: () => Faults
  isCutOff: () => boolean
  /** It decided to put an object, whenever that reaches the store. */
  onPut(key: string): void
  seed: number
  skewMs: number
  settings: ClusterSettings
  groupLimits: GroupLimits
  /** Retention looks this often besides; undefined: just as the gateway does. */
  retentionCheckMs: number | undefined
  /** It ends because it did not know the ledger's tail for too long. */
  onFenced(): void
  /** Called when it exists no more: it crashed, or was closed. */
  onEnd(): void
}

/** One process start of the gateway: the real cluster and group coordinator on a simulated process. */
export class SimulatedInstance {
  readonly process: SimulatedProcess
  readonly use: StoreUse = { puts: 0, gets: 0, underWay: 0, underWayMax: 0 }
  readonly connections = new Set<Connection>()
  readonly random: Random
  readonly log: Log
  readonly #memory = spoiledMemory()
  cluster: OpenCluster | undefined
  groups: Coordinator | undefined
  /** Since when clients could connect, by the world's clock. */
  servingSinceMs = Number.POSITIVE_INFINITY
  /** Record bytes that were taken and not answered, and most that were so at once. */
  readonly appending = { bytes: 0, bytesMax: 0, refusals: 0 }
  #retentions: Retention[] = []
  #isClosing = false
  readonly #options: InstanceOptions

  constructor(options: InstanceOptions) {
    this.#options = options
    this.random = seededRandom(options.seed)
    this.process = new SimulatedProcess(options.world, options.skewMs)
    this.log = complainingLog(options.history)
    this.process.deliver(() => void this.#open())
  }

  /** Whether clients can connect. */
  get isServing(): boolean {
    return this.process.isAlive && !this.#isClosing && this.groups !== undefined
  }

  /** Ends at once. Of its clients some hear that the connection is gone, the others nothing. */
  crash(): void {
    if (!this.process.isAlive) return
    this.process.crash()
    for (const connection of this.connections) if (this.random.next() < 0.5) connection.reset()
    this.#options.onEnd()
  }

  /** Ends as the gateway does when it is told to. */
  async close(): Promise<void> {
    const { cluster, groups } = this
    if (cluster === undefined || groups === undefined || this.#isClosing) return
    this.#isClosing = true
    groups.close()
    for (const retention of this.#retentions) await retention.close()
    await cluster.close()
    // It may have been killed meanwhile.
    if (!this.process.isAlive) return
    for (const connection of [...this.connections]) connection.reset()
    this.process.crash()
    this.#options.onEnd()
  }

  async #open(): Promise<void> {
    const { history, settings, groupLimits, store, world, faults, isCutOff, onPut } = this.#options
    const { process, random, log, use } = this
    const { clock } = process
    const faulty = faultyStore(store, { process, world, random, faults, isCutOff, onPut, use })
    while (this.cluster === undefined) {
      // What an attempt that failed still reads is nobody's state any more.
      const attempt: { cluster?: OpenCluster } = {}
      try {
        attempt.cluster = await openCluster({
          store: retrying(faulty, { clock, random, totalMs: storeRetryMs }),
          clock,
          random,
          log,
          settings,
          pins: this.#memory,
          observersOf: (ledger) => ({
            ledgerObserver: {
              ...noLedgerObserver,
              entryApplied: (_own, sequence) => this.#compareFold(ledger, sequence, attempt.cluster),
            },
          }),
          onFatal: (error) => {
            if (isFenced(error)) this.#options.onFenced()
            else history.violation('fatal', messageOf(error))
            this.crash()
          },
        })
        this.cluster = attempt.cluster
      } catch (error) {
        if (!isOfTheStore(error) && !isFenced(error)) history.violation('open', messageOf(error))
        await clock.sleep(100 + random.next() * 200)
      }
    }
    const { proposers } = this.cluster
    this.#countAppends(this.cluster)
    this.groups = this.cluster.openGroups({ clock, random, log, limits: groupLimits })
    this.servingSinceMs = world.monotonic()
    const { retentionCheckMs } = this.#options
    if (retentionCheckMs === undefined) return
    this.#retentions = proposers.map((proposer) => new Retention({ proposer, clock, random, log }))
    await Promise.all(this.#retentions.map((retention) => this.#checkRetention(retention, retentionCheckMs)))
  }

  #countAppends(cluster: OpenCluster): void {
    const { appending } = this
    const { logs } = cluster
    const append: typeof logs.append = async (batches) => {
      const bytes = batches.reduce((sum, { batch }) => sum + batch.length, 0)
      appending.bytes += bytes
      try {
        const received = batches.map((each) => ({ ...each, batch: this.#received(each.batch) }))
        const outcomes = logs.append(received)
        // The request may be answered, that it takes too long, before its batches are stored.
        for (const { batch } of received) this.#memory.unpin(batch)
        // Those that are refused are refused at once.
        this.process.clock.soon(() => {
          appending.bytesMax = Math.max(appending.bytesMax, appending.bytes)
        })
        return await outcomes
      } catch (error) {
        if (error instanceof Error && error.name === 'OverloadedError') appending.refusals++
        throw error
      } finally {
        appending.bytes -= bytes
      }
    }
    Object.assign(cluster, { logs: { ...logs, append } })
  }

  /** The batch as it is in memory that is used again once nobody uses it. */
  #received(batch: Buffer): Buffer {
    const received = this.#memory.take(batch.length)
    batch.copy(received)
    return received
  }

  /** The gateway looks every few minutes, which is longer than most worlds last. */
  async #checkRetention(retention: Retention, everyMs: number): Promise<void> {
    const { random, process } = this
    while (!this.#isClosing) {
      await process.clock.sleep(everyMs * (0.5 + random.next()))
      // The gateway would try again as well.
      await retention.check().catch((error: unknown) => {
        if (!isUnavailable(error)) this.#options.history.violation('retention', messageOf(error))
      })
    }
  }

  /** All who have applied the same entries hold the same state, byte by byte. */
  #compareFold(ledger: number, sequence: number, cluster: OpenCluster | undefined): void {
    const proposer = cluster?.proposers[ledger]
    if (sequence % comparedEntries !== 0 || proposer === undefined) return
    const { history } = this.#options
    const folds = this.#options.folds[ledger] as Map<number, string>
    const found = hashOf(proposer.state)
    const known = folds.get(sequence)
    if (known === undefined) folds.set(sequence, found)
    else if (known !== found) history.violation('divergent folds', `writer ${proposer.writer} at entry ${sequence}`)
  }
}

export function hashOf(state: State): string {
  return createHash('md5')
    .update(pack(toSnapshot(state)))
    .digest('base64')
}

function isOfTheStore(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreError'
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnavailableError'
}

/** See `Fence`. */
function isFenced(error: unknown): boolean {
  return isUnavailable(error) && messageOf(error).includes("did not know the ledger's tail")
}

/** What the gateway calls an error is one here too. */
function complainingLog(history: History): Log {
  return Object.assign(silentLog(), {
    error: (details: { error?: string }, message: string) =>
      history.violation('logged error', `${message}: ${details.error ?? JSON.stringify(details)}`),
  })
}
