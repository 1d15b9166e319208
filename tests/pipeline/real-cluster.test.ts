import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { encodeBatch } from '../../src/protocol/records/record.js'
import { type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import { startOn, until } from './cluster-double.js'

const settings = {
  flushIntervalMs: 0,
  flushBytes: 4 * 1024 * 1024,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 28,
  pollIntervalMs: 5,
  snapshotEntries: 50,
  cacheBytes: 64 * 1024,
}

async function instance(t: TestContext, bucket: MemoryBucket): Promise<OpenCluster> {
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
  t.after(() => cluster.close())
  return cluster
}

async function produce(cluster: OpenCluster, partition: number, ...values: unknown[]): Promise<void> {
  const topicId = cluster.topics.byName('orders')?.id
  assert.ok(topicId)
  const records = values.map((value) => ({
    timestampMs: 1,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers: [],
  }))
  await cluster.logs.append([{ topicId, partition, batch: encodeBatch({ records }) }])
}

const spec = {
  name: 'p',
  from: 'orders',
  step: [{ filter: 'value.n > 0' }, { map: { twice: 'value.n * 2' } }],
  sink: [
    { stdout: {}, batch: { timeout: '1ms' } },
    { topic: { name: 'copy', partition_by: 'source' }, batch: { timeout: '1ms' } },
  ],
  dlq: { topic: 'dead' },
}

test('on the ledger: records arrive, positions are committed, another instance goes on where one has stopped', async (t) => {
  const bucket = new MemoryBucket()
  const one = await instance(t, bucket)
  const two = await instance(t, bucket)
  await one.topics.create({ name: 'orders', partitionCount: 2, configs: new Map() })
  await produce(one, 0, { n: 1 }, { n: 0 }, { wrong: true })
  await produce(one, 1, { n: 2 })

  const first = startOn(one, [spec])
  await until(() => first.lines().length === 2, 'both came out')
  const second = startOn(two, [spec])
  await first.close()
  assert.equal((await two.pipelineOffsets.committed('pipeline-p', 'orders', 0))?.offset, 3)
  assert.equal((await two.pipelineOffsets.committed('pipeline-p', 'orders', 1))?.offset, 1)

  await produce(two, 1, { n: 3 })
  await until(() => second.lines().length === 1, 'the other instance goes on')
  await second.close()
  assert.deepEqual(second.lines(), [{ n: 3, twice: 6 }])
  const end = (topic: string, partition: number) =>
    two.logs.offsets(two.topics.byName(topic)?.id ?? '', partition)?.highWatermark
  assert.deepEqual([end('copy', 0), end('copy', 1), end('dead', 0)], [1, 2, 1])
})
