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
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 100,
  snapshotEntries: 10,
  cacheBytes: 0,
  segmentBytes: 1_500,
  compactIntervalMs: 10_000,
  compactAgeMs: 5 * minute,
  trimGraceMs: 20 * minute,
}

/** A process on the simulated clock. */
export interface Instance {
  process: SimulatedProcess
  cluster: OpenCluster
}

/** Instances on one bucket in memory, on a clock of their own, and what they leave in it. */
export class StoredCluster {
  readonly clock = new VirtualClock()
  readonly bucket: MemoryBucket
  readonly ledgers: number
  #seed: number

  constructor(bucket = new MemoryBucket(), seed = 0, ledgers = 1) {
    this.bucket = bucket
    this.ledgers = ledgers
    this.#seed = seed
  }

  /** The store, as who looks at it sees it. */
  get store(): ObjectStore {
    return memoryStore(this.bucket)
  }

  async open(): Promise<Instance> {
    const process = new SimulatedProcess(this.clock)
    const random = seededRandom(++this.#seed)
    const faults = () => ({ putMs: 20, getMs: 10, ...noFaults })
    const opening = openCluster({
      store: faultyStore(this.store, { process, world: this.clock, random, faults }),
      clock: process.clock,
      random,
      log: silentLog(),
      settings: { ...settings, ledgers: this.ledgers },
      onFatal: (error) => assert.fail(messageOf(error)),
    })
    return { process, cluster: await this.await(opening) }
  }

  /** Lets time pass until the promise settles. */
  await<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntilSettled(promise, 1_000 * minute)
  }

  run(ms: number): Promise<unknown> {
    return this.clock.run(this.clock.monotonic() + ms)
  }

  async topic({ cluster }: Instance, name: string, partitionCount: number): Promise<string> {
    const created = await this.await(cluster.topics.create({ name, partitionCount, configs: new Map() }))
    assert.ok(created.topic)
    return created.topic.id
  }

  append({ cluster }: Instance, topicId: string, partition: number, value: string) {
    const record = { timestampMs: this.clock.now(), key: null, value: Buffer.from(value), headers: [] }
    return cluster.logs.append([{ topicId, partition, batch: encodeBatch({ records: [record] }) }])
  }

  async values({ cluster }: Instance, topicId: string, partition: number): Promise<string[]> {
    await this.await(cluster.barrier())
    const { batches } = await this.await(cluster.logs.read(topicId, partition, 0, { bytesMax: 2 ** 24 }))
    return [...batchesIn(Buffer.concat(batches))]
      .flatMap((batch) => decodeRecords(batch))
      .map(({ value }) => `${value}`)
  }

  keys(prefix: string): string[] {
    return this.bucket.sortedKeys().filter((key) => key.startsWith(prefix))
  }

  /**
   * Two instances write for some hours, compete at last, and stop: there are segments, entries and lanes with records,
   * and entries that the collector has yet to take. Gives the topic's id, and what its three partitions hold.
   */
  async fill(): Promise<{ id: string; values: string[][] }> {
    const instances = [await this.open(), await this.open()] as const
    const id = await this.topic(instances[0], 'orders', 3)
    const gone = await this.topic(instances[0], 'gone', 1)
    const values: string[][] = [[], [], []]
    const append = async (i: number, text: string) => {
      await this.append(instances[i % 2] as Instance, id, i % 3, text)
      values[i % 3]?.push(text)
    }
    for (let i = 0; i < 60; i++) {
      await this.await(append(i, `value ${i}`))
      await this.await(this.append(instances[0], gone, 0, `value ${i}`))
      await this.run(3 * minute)
    }
    await this.await(instances[0].cluster.topics.delete(gone))
    for (let i = 0; i < 12; i++) {
      // Each on a partition of its own, so that their order is known.
      const writes = [0, 1].map(async (writer) => {
        for (let j = 0; j < 10; j++) await append(writer, `${writer} ${i} ${j}`)
      })
      await this.await(Promise.all(writes))
    }
    for (const { cluster } of instances) await this.await(cluster.close())
    return { id, values }
  }
}
