import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../base/clock.js'
import { silentLog } from '../base/log.js'
import { systemRandom } from '../base/random.js'
import { ErrorCode } from '../protocol/error-codes.js'
import { batchesIn } from '../protocol/records/batch.js'
import { type DecodedRecord, decodeRecords, encodeBatch } from '../protocol/records/record.js'
import type { Topic } from './cluster.js'
import { type OpenCluster, openCluster } from './open-cluster.js'
import { MemoryBucket, memoryStore } from './store/memory.js'

const settings = {
  flushIntervalMs: 0,
  flushBytes: 4 * 1024 * 1024,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 28,
  pollIntervalMs: 5,
  snapshotEntries: 7,
  cacheBytes: 64 * 1024,
}

/** Opens an instance on the bucket, as one more process would. */
async function instance(context: TestContext, bucket: MemoryBucket): Promise<OpenCluster> {
  const cluster = await openCluster({
    store: memoryStore(bucket),
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    settings,
    onFatal(error) {
      throw error
    },
  })
  context.after(() => cluster.close())
  return cluster
}

async function topic(cluster: OpenCluster, name: string, partitionCount = 1): Promise<Topic> {
  const { errorCode, topic: created } = await cluster.topics.create({ name, partitionCount, configs: new Map() })
  assert.equal(errorCode, ErrorCode.NONE)
  assert.ok(created)
  return created
}

const batch = (...values: string[]) => batchAt(1_000, ...values)
const batchAt = (timestampMs: number, ...values: string[]) =>
  encodeBatch({
    records: values.map((value, i) => ({
      timestampMs: timestampMs + i,
      key: null,
      value: Buffer.from(value),
      headers: [],
    })),
  })

async function append(cluster: OpenCluster, { id }: Topic, bytes: Buffer, partition = 0) {
  const [outcome] = await cluster.logs.append([{ topicId: id, partition, batch: bytes }])
  assert.ok(outcome)
  return outcome
}

async function readAll(cluster: OpenCluster, { id }: Topic, from = 0, partition = 0): Promise<DecodedRecord[]> {
  const { batches } = await cluster.logs.read(id, partition, from, { bytesMax: 2 ** 30 })
  return [...batchesIn(Buffer.concat(batches))].flatMap((each) => decodeRecords(each))
}

const texts = (records: DecodedRecord[]) => records.map(({ offset, value }) => `${offset}:${value}`)

test('records come back with dense offsets, also after a restart, from wherever a reader begins', async (context) => {
  const bucket = new MemoryBucket()
  const first = await instance(context, bucket)
  const orders = await topic(first, 'orders')
  for (let i = 0; i < 20; i++) assert.equal((await append(first, orders, batch(`a${i}`, `b${i}`))).baseOffset, 2 * i)
  const expected = Array.from({ length: 20 }, (_, i) => [`${2 * i}:a${i}`, `${2 * i + 1}:b${i}`]).flat()
  assert.deepEqual(texts(await readAll(first, orders)), expected)
  await first.close()

  const second = await instance(context, bucket)
  assert.deepEqual(texts(await readAll(second, orders)), expected)
  assert.deepEqual(texts(await readAll(second, orders, 31)), expected.slice(30))
  assert.deepEqual(second.logs.offsets(orders.id, 0), { logStartOffset: 0, highWatermark: 40, lastStableOffset: 40 })
  assert.equal((await append(second, orders, batch('c'))).baseOffset, 40)
})

test('what one instance acknowledged, another reads behind a barrier', async (context) => {
  const bucket = new MemoryBucket()
  const [a, b] = [await instance(context, bucket), await instance(context, bucket)]
  assert.equal(a.clusterId, b.clusterId)
  const orders = await topic(a, 'orders', 3)
  await b.barrier()
  for (let i = 0; i < 30; i++) {
    const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a]
    assert.equal((await append(writer, orders, batch(`${i}`), 2)).baseOffset, i)
    await reader.barrier()
    assert.deepEqual(texts(await readAll(reader, orders, i, 2)), [`${i}:${i}`])
  }
})

test('a reader is woken by what another instance writes', async (context) => {
  const bucket = new MemoryBucket()
  const [a, b] = [await instance(context, bucket), await instance(context, bucket)]
  const orders = await topic(a, 'orders', 2)
  await b.barrier()
  const woken = new Promise<void>((resolve) => {
    const stop = b.logs.watch([{ topicId: orders.id, partition: 1 }], () => {
      stop()
      resolve()
    })
  })
  await append(a, orders, batch('x'), 1)
  await woken
  assert.equal(b.logs.available(orders.id, 1, 0, 1_000), batch('x').length)
})

test('many batches at once each get an outcome, and partitions do not mix', async (context) => {
  const cluster = await instance(context, new MemoryBucket())
  const [one, two] = [await topic(cluster, 'one', 2), await topic(cluster, 'two')]
  const places = [
    [one, 1],
    [two, 0],
    [one, 0],
    [one, 1],
    [two, 5],
    [one, 1],
  ] as const
  const outcomes = await cluster.logs.append(
    places.map(([{ id }, partition], i) => ({ topicId: id, partition, batch: batch(`${i}`) })),
  )
  assert.deepEqual(
    outcomes.map(({ errorCode, baseOffset }) => [errorCode, baseOffset]),
    [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 1],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1],
      [0, 2],
    ],
  )
  assert.deepEqual(texts(await readAll(cluster, one, 0, 1)), ['0:0', '1:3', '2:5'])
})

test('a read keeps to its bytes, but gives a first batch whatever its size unless it is strict', async (context) => {
  const cluster = await instance(context, new MemoryBucket())
  const orders = await topic(cluster, 'orders')
  const sizes = [100, 20_000, 100]
  for (const size of sizes) await append(cluster, orders, batch('x'.repeat(size)))
  const read = async (offset: number, bytesMax: number, strict = false) => {
    const { batches, bytes } = await cluster.logs.read(orders.id, 0, offset, { bytesMax, strict })
    assert.equal(Buffer.concat(batches).length, bytes)
    return [...batchesIn(Buffer.concat(batches))].flatMap((each) => decodeRecords(each)).map(({ offset: at }) => at)
  }
  assert.deepEqual(await read(0, 1_000), [0])
  assert.deepEqual(await read(1, 1_000), [1])
  assert.deepEqual(await read(1, 1_000, true), [])
  assert.deepEqual(await read(0, 10, true), [])
  assert.deepEqual(await read(0, 1_000_000), [0, 1, 2])
  assert.deepEqual(await read(3, 1_000_000), [])
})

test('deleted records are gone, and the log start survives a restart', async (context) => {
  const bucket = new MemoryBucket()
  const first = await instance(context, bucket)
  const orders = await topic(first, 'orders')
  for (let i = 0; i < 10; i++) await append(first, orders, batch(`${i}`))
  assert.deepEqual(await first.logs.deleteRecords(orders.id, 0, 4), { errorCode: 0, logStartOffset: 4 })
  assert.deepEqual(await first.logs.deleteRecords(orders.id, 0, 2), { errorCode: 0, logStartOffset: 4 })
  assert.equal((await first.logs.deleteRecords(orders.id, 0, 11)).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  await first.close()
  const second = await instance(context, bucket)
  assert.equal(second.logs.offsets(orders.id, 0)?.logStartOffset, 4)
  assert.deepEqual(await second.logs.deleteRecords(orders.id, 0, -1), { errorCode: 0, logStartOffset: 10 })
})

test('offsets are found by time', async (context) => {
  const cluster = await instance(context, new MemoryBucket())
  const orders = await topic(cluster, 'orders')
  assert.equal(await cluster.logs.offsetOfMaxTimestamp(orders.id, 0), undefined)
  for (const at of [1_000, 3_000, 2_000]) await append(cluster, orders, batchAt(at, 'x', 'y', 'z'))
  assert.deepEqual(await cluster.logs.offsetForTime(orders.id, 0, 0), { offset: 0, timestampMs: 1_000 })
  assert.deepEqual(await cluster.logs.offsetForTime(orders.id, 0, 1_002), { offset: 2, timestampMs: 1_002 })
  assert.deepEqual(await cluster.logs.offsetForTime(orders.id, 0, 1_003), { offset: 3, timestampMs: 3_000 })
  assert.equal(await cluster.logs.offsetForTime(orders.id, 0, 3_003), undefined)
  assert.deepEqual(await cluster.logs.offsetOfMaxTimestamp(orders.id, 0), { offset: 5, timestampMs: 3_002 })
})

test('a topic deleted and made again is another topic', async (context) => {
  const cluster = await instance(context, new MemoryBucket())
  const old = await topic(cluster, 'orders')
  await append(cluster, old, batch('x'))
  assert.equal((await cluster.topics.delete(old.id)).errorCode, ErrorCode.NONE)
  const young = await topic(cluster, 'orders')
  assert.notEqual(young.id, old.id)
  assert.equal((await append(cluster, old, batch('x'))).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await append(cluster, young, batch('y'))).baseOffset, 0)
  assert.equal((await cluster.topics.delete(old.id)).errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
})

test('producer ids are never given twice, by whichever instance', async (context) => {
  const bucket = new MemoryBucket()
  const clusters = [await instance(context, bucket), await instance(context, bucket)]
  const given = await Promise.all(Array.from({ length: 40 }, (_, i) => clusters[i % 2]?.producers.init(-1, -1)))
  assert.equal(new Set(given.map((each) => each?.producerId)).size, 40)
})
