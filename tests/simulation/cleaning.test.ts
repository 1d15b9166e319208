import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchesIn, compressions } from '../../src/protocol/records/batch.js'
import { type DecodedRecord, decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import { pack } from '../../src/state/ledger/entry.js'
import type { Cleaning } from '../../src/state/log/cleaner-observer.js'
import { decodeSegment } from '../../src/state/log/segment.js'
import type { ClusterSettings, OpenCluster } from '../../src/state/open-cluster.js'
import { toSnapshot } from '../../src/state/views/state.js'
import { FaultyInstances } from './faulty-instances.js'

const second = 1_000
const minute = 60 * second
const keys = 40
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 500,
  snapshotEntries: 20,
  cacheBytes: 2 ** 16,
  segmentBytes: 4 * 1024,
  compactIntervalMs: 10 * second,
  compactAgeMs: minute,
  // Not all keys have room at once.
  dedupeBufferBytes: 500,
  trimGraceMs: 3 * minute,
}

/** Instances that come and go on a store that fails, and a compacted topic that they write and clean. */
class World extends FaultyInstances {
  readonly cleanings: Cleaning[] = []
  /** What was acknowledged, by offset, and the last offset of each key. */
  readonly acknowledged = new Map<number, string>()
  readonly last = new Map<string, number>()
  topicId = ''

  constructor(seed: number) {
    super(seed, {
      settings,
      cleanerObserver: { cleaned: (cleaning) => this.cleanings.push(cleaning), cleaningFailed() {}, looked() {} },
    })
  }

  async write(cluster: OpenCluster, sent: number): Promise<void> {
    const count = 1 + Math.floor(this.random.next() * 4)
    const records = Array.from({ length: count }, (_, i) => ({
      timestampMs: this.clock.now(),
      key: Buffer.from(`key ${Math.floor(this.random.next() ** 2 * keys)}`),
      value: this.random.next() < 0.1 ? null : Buffer.from(`${sent}.${i} ${'x'.repeat(100 * this.random.next())}`),
      headers: [],
    }))
    const compression = compressions[Math.floor(this.random.next() * compressions.length)] ?? 'none'
    const batch = encodeBatch({ records, compression })
    const outcomes = await this.await(cluster.logs.append([{ topicId: this.topicId, partition: 0, batch }]))
    const [outcome] = outcomes ?? []
    if (outcome?.errorCode !== 0) return
    for (const [index, { key, value }] of records.entries()) {
      this.acknowledged.set(outcome.baseOffset + index, `${key}=${value}`)
      this.last.set(`${key}`, outcome.baseOffset + index)
    }
  }

  async read(cluster: OpenCluster): Promise<DecodedRecord[] | undefined> {
    if ((await this.await(cluster.barrier().then(() => true))) === undefined) return undefined
    const found: DecodedRecord[] = []
    const end = cluster.logs.offsets(this.topicId, 0)?.highWatermark ?? 0
    for (let next = 0; next < end; ) {
      const read = await this.await(cluster.logs.read(this.topicId, 0, next, { bytesMax: 20_000 }))
      const batches = [...batchesIn(Buffer.concat(read?.batches ?? []))]
      if (batches.length === 0) return undefined
      for (const batch of batches) {
        found.push(...decodeRecords(batch).filter(({ offset }) => offset >= next))
        next = Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23) + 1
      }
    }
    return found
  }

  /** What is there was written there, in that order, and of what was acknowledged each key's last is there. */
  async check(cluster: OpenCluster): Promise<number | undefined> {
    const lastBefore = new Map(this.last)
    const records = await this.read(cluster)
    if (records === undefined) return undefined
    let last = -1
    const found = new Map<string, number>()
    for (const { offset, key, value } of records) {
      if (offset <= last) this.problems.push(`offset ${offset} follows ${last}`)
      last = offset
      const expected = this.acknowledged.get(offset)
      if (expected !== undefined && expected !== `${key}=${value}`) this.problems.push(`${expected} became ${value}`)
      found.set(`${key}`, offset)
    }
    for (const [key, offset] of lastBefore) {
      const isTombstone = this.acknowledged.get(offset)?.endsWith('=null')
      const at = found.get(key)
      // A write that was not acknowledged may be there, after it.
      if (at === undefined ? !isTombstone : at < offset)
        this.problems.push(`${key} was acknowledged at ${offset}, and is at ${at}`)
    }
    return records.length
  }
}

for (const seed of [1, 2, 3])
  test(`whatever fails, a compacted topic keeps the last of each key and stays small, seed ${seed}`, async () => {
    const world = new World(seed)
    const { clock, random, instances } = world
    instances.push(world.start(), world.start())
    await clock.run(minute, () => instances.every(({ cluster }) => cluster !== undefined))
    const configs = new Map([
      ['cleanup.policy', 'compact'],
      ['min.cleanable.dirty.ratio', '0.3'],
      ['delete.retention.ms', String(5 * minute)],
    ])
    const created = await world.await(
      instances[0]?.cluster?.topics.create({ name: 'topic', partitionCount: 1, configs }) ?? assert.fail(),
    )
    world.topicId = created?.topic?.id ?? assert.fail('the topic was not created')
    for (let sent = 1; sent <= 1_500; sent++) {
      const cluster = world.any()
      if (cluster !== undefined) await world.write(cluster, sent)
      await clock.run(clock.monotonic() + 4 * second * random.next())
      const reader = world.any()
      if (sent % 50 === 0 && reader !== undefined) await world.check(reader)
      if (sent % 200 === 0) {
        const slot = Math.floor(random.next() * instances.length)
        instances[slot]?.process.crash()
        instances[slot] = world.start()
      }
    }
    await clock.run(clock.monotonic() + 5 * minute)
    const up = instances.map(({ cluster }) => cluster ?? assert.fail('an instance is not up'))
    const counts: (number | undefined)[] = []
    for (const cluster of up) counts.push(await world.check(cluster))
    assert.deepEqual(world.problems, [])
    assert.ok(
      counts.every((count) => count !== undefined && count < 400),
      `${counts} records are left`,
    )
    assert.ok(world.cleanings.filter(({ outcome }) => outcome === 'complete').length > 10)
    await world.await(Promise.all(up.map((cluster) => cluster.barrier())))
    const [a, b] = up.map(({ proposer }) => pack(toSnapshot(proposer.state)))
    assert.ok(a !== undefined && b !== undefined && a.equals(b), 'the instances hold different states')
    for (const [key, object] of world.bucket.objects) if (key.startsWith('segments/')) decodeSegment(object, key)
  })
