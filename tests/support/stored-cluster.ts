import assert from 'node:assert/strict'
import { messageOf } from '../../src/base/errors.js'
import { MemoryBucket } from '../../src/state/store/memory.js'
import { type Instance, SimulatedInstances } from './simulated-instances.js'

const minute = 60_000

/** Instances on one bucket in memory, none of which may fail, and what they leave in it. */
export class StoredCluster extends SimulatedInstances {
  readonly ledgers: number

  constructor(bucket = new MemoryBucket(), seed = 0, ledgers = 1) {
    super({
      settings: { segmentBytes: 1_500, ledgers },
      bucket,
      seed,
      patienceMs: 1_000 * minute,
      onFatal: (error) => assert.fail(messageOf(error)),
    })
    this.ledgers = ledgers
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
