import { messageOf } from '../../src/base/errors.js'
import { silentLog } from '../../src/base/log.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import { type ClusterOptions, type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import { retrying } from '../../src/state/store/retrying.js'
import { faultyStore, noFaults } from './faulty-store.js'
import { SimulatedProcess } from './process.js'
import { VirtualClock } from './virtual-clock.js'

const second = 1_000

export interface Instance {
  process: SimulatedProcess
  cluster: OpenCluster | undefined
}

type InstanceOptions = Pick<ClusterOptions, 'settings'> & Partial<Pick<ClusterOptions, 'cleanerObserver'>>

/** Instances that come and go on one store that fails now and then. */
export class FaultyInstances {
  readonly clock = new VirtualClock()
  readonly bucket = new MemoryBucket()
  readonly random: Random
  readonly instances: Instance[] = []
  readonly problems: string[] = []
  readonly #options: InstanceOptions

  constructor(seed: number, options: InstanceOptions) {
    this.random = seededRandom(seed)
    this.#options = options
  }

  /** Starts a process with a clock of its own, which opens the cluster as soon as the store lets it. */
  start(): Instance {
    const process = new SimulatedProcess(this.clock, (this.random.next() - 0.5) * 10 * second)
    const random = seededRandom(Math.floor(this.random.next() * 2 ** 32))
    const faults = () => ({ putMs: 40, getMs: 20, ...noFaults, failures: 0.02, outliers: 0.01, refusals: 0.01 })
    const store = faultyStore(memoryStore(this.bucket), { process, world: this.clock, random, faults })
    const { clock } = process
    const instance: Instance = { process, cluster: undefined }
    const log = Object.assign(silentLog(), {
      error: (details: object, message: string) => this.problems.push(`${message} ${JSON.stringify(details)}`),
    })
    const open = async () => {
      while (process.isAlive && instance.cluster === undefined)
        try {
          instance.cluster = await openCluster({
            store: retrying(store, { clock, random, totalMs: 2 * second }),
            ...{ clock, random, log },
            ...this.#options,
            onFatal: (error) => this.problems.push(messageOf(error)),
          })
        } catch {
          await clock.sleep(second)
        }
    }
    void open()
    return instance
  }

  /** Waits for a promise of a process that may have died. */
  async await<T>(promise: Promise<T>): Promise<T | undefined> {
    let settled: { value: T } | { error: unknown } | undefined
    promise.then(
      (value) => {
        settled = { value }
      },
      (error: unknown) => {
        settled = { error }
      },
    )
    await this.clock.run(this.clock.monotonic() + 30 * second, () => settled !== undefined)
    return settled !== undefined && 'value' in settled ? settled.value : undefined
  }

  /** One that is up, if there is any. */
  any(): OpenCluster | undefined {
    const up = this.instances.filter(({ process, cluster }) => process.isAlive && cluster !== undefined)
    return up[Math.floor(this.random.next() * up.length)]?.cluster
  }
}
