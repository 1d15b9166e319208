import assert from 'node:assert/strict'
import { messageOf } from '../../src/base/errors.js'
import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { batchesIn } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import { faultyStore, noFaults } from '../simulation/faulty-store.js'
import { SimulatedProcess } from '../simulation/process.js'
import { VirtualClock } from '../simulation/virtual-clock.js'

const minute = 60_000

/** What is old is so within minutes, and segments are small. */
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 100,
  snapshotEntries: 10,
  cacheBytes: 0,
  segmentBytes: 4_000,
  compactIntervalMs: 10_000,
  compactAgeMs: 5 * minute,
  trimGraceMs: 20 * minute,
}

/** A process on the simulated clock. */
export interface Instance {
  process: SimulatedProcess
  cluster: OpenCluster
  /** Why it can't go on, each time that it said so. */
  fatal: string[]
}

export interface OpenOptions {
  settings?: Partial<ClusterSettings>
  /** The store as this instance sees it. */
  change?(store: ObjectStore): ObjectStore
  /** How far its wall clock is from the simulated one, milliseconds. */
  wallJumpMs?(): number
}

export interface SimulatedInstancesOptions {
  settings?: Partial<ClusterSettings>
  bucket?: MemoryBucket
  /** The first instance's chance comes from the next number. */
  seed?: number
  /** No promise takes longer than this, milliseconds. */
  patienceMs?: number
  /** Called when an instance can't go on. */
  onFatal?(error: Error): void
}

/** Instances on one bucket in memory, on a clock of their own, and what they leave in it. */
export class SimulatedInstances {
  readonly clock = new VirtualClock()
  readonly bucket: MemoryBucket
  readonly #options: SimulatedInstancesOptions
  #seed: number

  constructor(options: SimulatedInstancesOptions = {}) {
    this.#options = options
    this.bucket = options.bucket ?? new MemoryBucket()
    this.#seed = options.seed ?? 0
  }

  /** The store, as who looks at it sees it. */
  get store(): ObjectStore {
    return memoryStore(this.bucket)
  }

  async open({ settings: own, change = (store) => store, wallJumpMs = () => 0 }: OpenOptions = {}): Promise<Instance> {
    const process = new SimulatedProcess(this.clock)
    const random = seededRandom(++this.#seed)
    const faults = () => ({ putMs: 20, getMs: 10, ...noFaults })
    const fatal: string[] = []
    const opening = openCluster({
      store: change(faultyStore(this.store, { process, world: this.clock, random, faults })),
      clock: { ...process.clock, now: () => process.clock.now() + wallJumpMs() },
      random,
      log: silentLog(),
      settings: { ...settings, ...this.#options.settings, ...own },
      onFatal: (error) => {
        fatal.push(messageOf(error))
        this.#options.onFatal?.(error)
      },
    })
    return { process, cluster: await this.await(opening), fatal }
  }

  /** Lets time pass until the promise settles. */
  await<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntilSettled(promise, this.#options.patienceMs ?? 100 * minute)
  }

  run(ms: number): Promise<unknown> {
    return this.clock.run(this.clock.monotonic() + ms)
  }

  async topic({ cluster }: Instance, name = 'topic', partitionCount = 1): Promise<string> {
    const created = await this.await(cluster.topics.create({ name, partitionCount, configs: new Map() }))
    assert.ok(created.topic)
    return created.topic.id
  }

  append({ cluster }: Instance, topicId: string, partition: number, value: string) {
    const record = { timestampMs: this.clock.now(), key: null, value: Buffer.from(value), headers: [] }
    return cluster.logs.append([{ topicId, partition, batch: encodeBatch({ records: [record] }) }])
  }

  async values({ cluster }: Instance, topicId: string, partition = 0): Promise<string[]> {
    await this.await(cluster.barrier())
    const { batches } = await this.await(cluster.logs.read(topicId, partition, 0, { bytesMax: 2 ** 24 }))
    return [...batchesIn(Buffer.concat(batches))]
      .flatMap((batch) => decodeRecords(batch))
      .map(({ value }) => `${value}`)
  }

  keys(prefix: string): string[] {
    return this.bucket.sortedKeys().filter((key) => key.startsWith(prefix))
  }
}
