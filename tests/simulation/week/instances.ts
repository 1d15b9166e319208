import { messageOf } from '../../../src/base/errors.js'
import { silentLog } from '../../../src/base/log.js'
import { type Random, seededRandom } from '../../../src/base/random.js'
import { GroupCoordinator, type GroupLimits } from '../../../src/state/groups/coordinator.js'
import { noUpkeepObserver } from '../../../src/state/log/observer.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../../../src/state/open-cluster.js'
import { type MemoryBucket, memoryStore } from '../../../src/state/store/memory.js'
import { retrying } from '../../../src/state/store/retrying.js'
import { faultyStore, noFaults } from '../faulty-store.js'
import { SimulatedProcess } from '../process.js'
import type { VirtualClock } from '../virtual-clock.js'

const second = 1_000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

/** As the gateway has them by default on S3, but for smaller segments and a smaller cache: there is less traffic. */
export const settings: ClusterSettings = {
  flushIntervalMs: 100,
  flushBytes: 4 * 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 26,
  pollIntervalMs: 100,
  snapshotEntries: 1_000,
  cacheBytes: 2 ** 20,
  segmentBytes: 2 ** 20,
  compactIntervalMs: 30 * second,
  compactAgeMs: 30 * minute,
  trimGraceMs: hour,
}

const groupLimits: GroupLimits = {
  groupMinSessionTimeoutMs: 6 * second,
  groupMaxSessionTimeoutMs: 30 * minute,
  groupInitialRebalanceDelayMs: 0,
  groupMaxSize: 100,
  offsetsRetentionMinutes: 24 * 60,
  offsetMetadataBytesMax: 4_096,
}

/** What a process that may die is waited for. */
const callMs = 30 * second

/** One process start of a gateway. */
export class WeekInstance {
  readonly process: SimulatedProcess
  cluster: OpenCluster | undefined
  groups: GroupCoordinator | undefined
  isClosing = false

  constructor(options: {
    clock: VirtualClock
    bucket: MemoryBucket
    random: Random
    problems: string[]
    deleted: Map<string, number>
  }) {
    const { clock: world, bucket, problems, deleted } = options
    this.process = new SimulatedProcess(world, (options.random.next() - 0.5) * 10 * second)
    const random = seededRandom(Math.floor(options.random.next() * 2 ** 32))
    const faults = () => ({ putMs: 60, getMs: 30, ...noFaults, outliers: 0.005, failures: 0.01, refusals: 0.002 })
    const { process } = this
    const { clock } = process
    const store = faultyStore(memoryStore(bucket), { process, world, random, faults })
    const log = Object.assign(silentLog(), {
      error: (details: object, message: string) => problems.push(`${message} ${JSON.stringify(details)}`),
    })
    const open = async () => {
      const cluster = await openCluster({
        store: retrying(store, { clock, random, totalMs: 3 * second }),
        clock,
        random,
        log,
        settings,
        upkeepObserver: {
          ...noUpkeepObserver,
          collected: (kind, count) => deleted.set(kind, (deleted.get(kind) ?? 0) + count),
        },
        onFatal: (error) => problems.push(messageOf(error)),
      })
      this.cluster = cluster
      this.groups = new GroupCoordinator({ proposer: cluster.proposer, clock, random, log, limits: groupLimits })
    }
    // As the supervisor of a process does that could not start.
    const insist = (): void =>
      void open().catch(() => {
        clock.after(second, insist)
      })
    process.deliver(insist)
  }

  get isServing(): boolean {
    return this.process.isAlive && !this.isClosing && this.groups !== undefined
  }

  async close(): Promise<void> {
    if (!this.isServing) return
    this.isClosing = true
    this.groups?.close()
    await this.cluster?.close()
    this.process.crash()
  }
}

/** What came of a call; undefined if it failed, or if nobody answered in time. */
export async function outcomeOf<T>(clock: VirtualClock, call: () => Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(callMs, () => resolve(undefined))
    call().then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      () => {
        timer.cancel()
        resolve(undefined)
      },
    )
  })
}
