import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { messageOf, StoreError } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { batchesIn } from '../../protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../protocol/records/record.js'
import { entryKey } from '../ledger/keys.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../open-cluster.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import { decodeSegment } from './segment.js'

const minute = 60_000
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 1_000,
  snapshotEntries: 20,
  cacheBytes: 0,
  segmentBytes: 4_000,
  compactIntervalMs: 10_000,
  compactAgeMs: 10 * minute,
}

class World {
  readonly clock = new VirtualClock()
  readonly bucket = new MemoryBucket()
  readonly compactions: { ranges: number; isReplaced: boolean }[] = []
  onCompactionFailed = (): void => assert.fail('a compaction failed')
  #seed = 0

  async open(change: (store: ObjectStore) => ObjectStore = (store) => store): Promise<OpenCluster> {
    return this.await(
      openCluster({
        store: change(memoryStore(this.bucket)),
        clock: this.clock,
        random: seededRandom(++this.#seed),
        log: silentLog(),
        settings,
        upkeepObserver: {
          compacted: (ranges, _bytes, _seconds, isReplaced) => this.compactions.push({ ranges, isReplaced }),
          compactionFailed: () => this.onCompactionFailed(),
          collected: () => undefined,
          kept: () => undefined,
        },
        onFatal: (error) => assert.fail(messageOf(error)),
      }),
    )
  }

  await<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntilSettled(promise, 10 * minute)
  }

  run(ms: number): Promise<unknown> {
    return this.clock.run(this.clock.monotonic() + ms)
  }

  async append(cluster: OpenCluster, topicId: string, value: string, partition = 0): Promise<void> {
    const record = { timestampMs: this.clock.now(), key: null, value: Buffer.from(value), headers: [] }
    await this.await(cluster.logs.append([{ topicId, partition, batch: encodeBatch({ records: [record] }) }]))
  }

  async readAll(cluster: OpenCluster, topicId: string, from = 0, partition = 0): Promise<string[]> {
    const found: string[] = []
    for (let offset = from; ; ) {
      const { batches } = await this.await(cluster.logs.read(topicId, partition, offset, { bytesMax: 1_000 }))
      const records = [...batchesIn(Buffer.concat(batches))].flatMap((batch) => decodeRecords(batch))
      for (const record of records) if (record.offset >= offset) found.push(`${record.offset}:${record.value}`)
      const last = records.at(-1)
      if (last === undefined) return found
      offset = last.offset + 1
    }
  }

  keys(prefix: string): string[] {
    return this.bucket.sortedKeys().filter((key) => key.startsWith(prefix))
  }
}

async function topic(world: World, cluster: OpenCluster, partitionCount = 1): Promise<string> {
  const created = await world.await(cluster.topics.create({ name: 'topic', partitionCount, configs: new Map() }))
  assert.ok(created.topic)
  return created.topic.id
}

test('records move into segments, and are read at the same offsets as before', async () => {
  const world = new World()
  const cluster = await world.open()
  const id = await topic(world, cluster, 2)
  const expected: string[] = []
  for (let i = 0; i < 200; i++) {
    await world.append(cluster, id, `value ${i}`)
    if (i % 10 === 0) await world.append(cluster, id, `other ${i}`, 1)
    expected.push(`${i}:value ${i}`)
    await world.run(1_000)
  }
  await world.run(30 * minute)
  assert.ok(world.compactions.some(({ ranges }) => ranges > 20))
  const { ranges } = cluster.proposer.state.partitions.get(id, 0) ?? {}
  assert.ok(ranges && ranges.length < 10, `${ranges?.length} ranges`)
  assert.equal(ranges.writerAt(ranges.length - 1), -cluster.proposer.writer)
  assert.deepEqual(await world.readAll(cluster, id), expected)
  assert.deepEqual(await world.readAll(cluster, id, 77), expected.slice(77))
  assert.equal((await world.readAll(cluster, id, 0, 1)).length, 20)
  for (const key of world.keys('segments/')) decodeSegment(world.bucket.objects.get(key) as Buffer, key)
  await world.await(cluster.close())

  const later = await world.open()
  assert.deepEqual(await world.readAll(later, id), expected)
  assert.equal((await world.await(later.logs.offsetForTime(id, 0, world.clock.now() + 1)))?.offset, undefined)
  await world.await(later.close())
})

test('a partition for which the store failed is compacted soon, one that is damaged is left alone for long', async () => {
  const world = new World()
  let failures = 0
  world.onCompactionFailed = () => failures++
  let isFailing = false
  const cluster = await world.open((store) => ({
    ...store,
    async get(key, range) {
      if (isFailing && world.bucket.objects.has(key)) throw new StoreError('get failed', { key, retry: true })
      return store.get(key, range)
    },
  }))
  const id = await topic(world, cluster, 2)
  isFailing = true
  for (let i = 0; i < 80; i++) await world.append(cluster, id, `value ${i}`)
  await world.run(minute)
  assert.ok(failures > 0)
  assert.equal(world.compactions.length, 0)
  isFailing = false
  await world.run(30_000)
  assert.ok(world.compactions.length > 0, 'it was tried again')

  failures = 0
  for (let i = 0; i < 80; i++) await world.append(cluster, id, `value ${i}`, 1)
  const log = cluster.proposer.state.partitions.get(id, 1)
  world.bucket.objects.delete(entryKey(0, log?.ranges.numberAt(3) ?? 0))
  await world.run(5 * minute)
  assert.equal(failures, 1)
  await world.await(cluster.close())
})

test('two instances share the work, and hold the same state', async () => {
  const world = new World()
  const [a, b] = [await world.open(), await world.open()]
  const id = await topic(world, a, 8)
  await world.await(b.barrier())
  for (let i = 0; i < 400; i++) await world.append(i % 2 === 0 ? a : b, id, `${i}`, i % 8)
  for (let i = 0; i < 24; i++) {
    await world.run(minute)
    for (const each of [a, b]) await world.append(each, id, 'alive', 0)
  }
  assert.ok(world.compactions.every(({ isReplaced }) => isReplaced))
  await world.await(Promise.all([a.barrier(), b.barrier()]))
  const writers = new Set(
    [...Array(8).keys()].map((partition) => a.proposer.state.partitions.get(id, partition)?.ranges.writerAt(0)),
  )
  assert.deepEqual(writers, new Set([-a.proposer.writer, -b.proposer.writer]))
  for (let partition = 1; partition < 8; partition++)
    assert.deepEqual(
      await world.readAll(b, id, 0, partition),
      Array.from({ length: 50 }, (_, i) => `${i}:${i * 8 + partition}`),
    )
  await world.await(Promise.all([a.close(), b.close()]))
})

test('a replacement of ranges that are no longer there is void', async () => {
  const world = new World()
  const cluster = await world.open()
  const id = await topic(world, cluster)
  for (let i = 0; i < 10; i++) await world.append(cluster, id, `${i}`)
  const log = cluster.proposer.state.partitions.get(id, 0)
  assert.ok(log)
  const rows = Array.from({ length: 10 }, (_, i) => log.ranges.at(i))
  const from = (first: number, end: number) =>
    rows
      .slice(first, end)
      .flatMap((row) => [row.baseOffset, row.endOffset, row.writer, row.number, row.position, row.length])
  const replace = async (number: number, first: number, end: number, endOffset = end) => {
    const to = [endOffset, 4, 100, 0]
    const command = { topicId: id, partition: 0, number, from: from(first, end), to }
    return (await world.await(cluster.proposer.propose('replaceRanges', command))).isReplaced
  }
  assert.equal(await replace(1, 2, 5, 6), false)
  assert.equal(await replace(1, 2, 5), true)
  assert.equal(await replace(2, 2, 5), false)
  assert.equal(await replace(3, 4, 8), false)
  assert.equal(log.ranges.length, 8)
  await world.await(cluster.logs.deleteRecords(id, 0, 6))
  assert.equal(await replace(4, 5, 8), false)
  await world.await(cluster.proposer.propose('fenceSegments', { below: 10 }))
  assert.equal(await replace(9, 6, 8), false)
  assert.equal(await replace(10, 6, 8), true)
  assert.equal(
    (
      await world.await(
        cluster.proposer.propose('replaceRanges', {
          topicId: id,
          partition: 1,
          number: 99,
          from: from(6, 8),
          to: [8, 4, 100, 0],
        }),
      )
    ).isReplaced,
    false,
  )
})

test('a reader whose object is gone finds the records where they have moved', async () => {
  const world = new World()
  let onGet: ((key: string) => Promise<void>) | undefined
  const cluster = await world.open((store) => ({
    ...store,
    get: async (key, range) => {
      await onGet?.(key)
      return store.get(key, range)
    },
  }))
  const id = await topic(world, cluster)
  for (let i = 0; i < 20; i++) await world.append(cluster, id, `${i}`)
  await world.run(minute)
  const ledgerKeys = world.keys('ledger/')
  // Just as the reader asks for the first entry, all records are moved, and the entry is deleted.
  const segment = Buffer.concat((await cluster.logs.read(id, 0, 0, { bytesMax: 10_000 })).batches)
  const log = cluster.proposer.state.partitions.get(id, 0)
  assert.ok(log)
  const from = Array.from({ length: log.ranges.length }, (_, i) => log.ranges.at(i)).flatMap((row) => [
    row.baseOffset,
    row.endOffset,
    row.writer,
    row.number,
    row.position,
    row.length,
  ])
  let moves = 0
  onGet = async (key) => {
    if (!ledgerKeys.includes(key) || moves++ > 0) return
    world.bucket.add(`segments/${id}/0/0000000000000099-${cluster.proposer.writer}`, segment)
    const command = { topicId: id, partition: 0, number: 99, from, to: [20, 0, segment.length, 0] }
    await cluster.proposer.propose('replaceRanges', command)
    for (const each of ledgerKeys) world.bucket.remove(each)
  }
  assert.deepEqual(
    await world.readAll(cluster, id),
    Array.from({ length: 20 }, (_, i) => `${i}:${i}`),
  )
  assert.ok(moves > 0)
  onGet = undefined
  world.bucket.remove(`segments/${id}/0/0000000000000099-${cluster.proposer.writer}`)
  await assert.rejects(world.readAll(cluster, id), /is missing/)
})

test('a reader whose ranges are merged while it reads gets every record once', async () => {
  const world = new World()
  let onGet: (() => Promise<void>) | undefined
  const cluster = await world.open((store) => ({
    ...store,
    get: async (key, range) => {
      if (key.startsWith('ledger/')) await onGet?.()
      return store.get(key, range)
    },
  }))
  const id = await topic(world, cluster)
  for (let i = 0; i < 20; i++) await world.append(cluster, id, `${i}`)
  const log = cluster.proposer.state.partitions.get(id, 0)
  assert.ok(log)
  const segment = Buffer.concat((await cluster.logs.read(id, 0, 0, { bytesMax: 10_000 })).batches)
  const from = Array.from({ length: log.ranges.length }, (_, i) => log.ranges.at(i)).flatMap((row) => [
    row.baseOffset,
    row.endOffset,
    row.writer,
    row.number,
    row.position,
    row.length,
  ])
  // The first reads are under way when all ranges become one, which begins where the first of them did.
  onGet = async () => {
    onGet = undefined
    world.bucket.add(`segments/${id}/0/0000000000000099-${cluster.proposer.writer}`, segment)
    const command = { topicId: id, partition: 0, number: 99, from, to: [20, 0, segment.length, 0] }
    assert.ok((await cluster.proposer.propose('replaceRanges', command)).isReplaced)
  }
  const { batches } = await world.await(cluster.logs.read(id, 0, 0, { bytesMax: 10_000 }))
  assert.equal(onGet, undefined)
  assert.deepEqual(
    [...batchesIn(Buffer.concat(batches))].flatMap((batch) => decodeRecords(batch).map(({ value }) => `${value}`)),
    Array.from({ length: 20 }, (_, i) => `${i}`),
  )
  await world.await(cluster.close())
})
