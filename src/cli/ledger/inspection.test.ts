import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { systemRandom } from '../../base/random.js'
import { encodeBatch } from '../../protocol/records/record.js'
import { openCluster } from '../../state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../state/store/memory.js'
import { inspectLedger } from './inspection.js'

const settings = {
  flushIntervalMs: 0,
  flushBytes: 1024 * 1024,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 28,
  pollIntervalMs: 5,
  snapshotEntries: 4,
  cacheBytes: 64 * 1024,
}

test('a store without a cluster is said to be none, and stays empty', async () => {
  const store = memoryStore()
  assert.equal(await inspectLedger(store, 0, 10, silentLog()), undefined)
  for await (const { key } of store.list('')) assert.fail(`${key} was made`)
})

test('the state is replayed from the newest snapshot and the newest entries are listed', async () => {
  const bucket = new MemoryBucket()
  const cluster = await openCluster({
    store: memoryStore(bucket),
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    settings,
    onFatal: (error) => {
      throw error
    },
  })
  const { topic } = await cluster.topics.create({ name: 'orders', partitionCount: 3, configs: new Map() })
  assert.ok(topic)
  const records = [{ timestampMs: 1, key: null, value: Buffer.from('x'), headers: [] }]
  for (let i = 0; i < 6; i++)
    await cluster.logs.append([{ topicId: topic.id, partition: 0, batch: encodeBatch({ records }) }])
  const clusterId = cluster.clusterId
  await cluster.close()

  const found = await inspectLedger(memoryStore(bucket), 0, 3, silentLog())
  assert.ok(found)
  assert.equal(found.clusterId, clusterId)
  assert.equal(found.firstSequence, 1)
  assert.ok(found.snapshotSequence >= 4, `${found.snapshotSequence}`)
  assert.equal([...found.state.topics.all()].length, 1)
  assert.deepEqual(
    found.entries.map((entry) => entry.sequence),
    [2, 1, 0].map((back) => found.lastSequence - back),
  )
  const appends = found.entries.filter((entry) => entry.commands.append === 1)
  assert.ok(appends.length >= 2)
  for (const entry of appends) {
    assert.equal(entry.recordBytes, encodeBatch({ records }).length)
    assert.ok(entry.bytes > entry.recordBytes)
    assert.equal(entry.voidParts, 0)
  }
})
