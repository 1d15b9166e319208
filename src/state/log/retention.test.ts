import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { messageOf } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { encodeBatch } from '../../protocol/records/record.js'
import { type OpenCluster, openCluster } from '../open-cluster.js'
import { memoryStore } from '../store/memory.js'

const minute = 60_000
const hour = 60 * minute
const partitionCount = 300

test('what is past its retention in many partitions goes with a few entries of the ledger', async () => {
  const clock = new VirtualClock()
  let cluster: OpenCluster | undefined
  const run = (ms: number) => clock.run(clock.monotonic() + ms)
  void openCluster({
    store: memoryStore(),
    clock,
    random: seededRandom(1),
    log: silentLog(),
    settings: {
      flushIntervalMs: 0,
      flushBytes: 2 ** 20,
      maxInflightEntries: 2,
      waitingBytesMax: 2 ** 24,
      pollIntervalMs: 1_000,
      snapshotEntries: 1_000,
      cacheBytes: 0,
    },
    onFatal: (error) => assert.fail(messageOf(error)),
  }).then((opened) => {
    cluster = opened
  })
  await run(minute)
  assert.ok(cluster)
  const { logs, topics } = cluster
  const configs = new Map([['retention.ms', String(3 * hour)]])
  let topicId = ''
  void topics.create({ name: 'topic', partitionCount, configs }).then(({ topic }) => {
    topicId = topic?.id ?? ''
  })
  await run(minute)
  const record = { timestampMs: clock.now(), key: null, value: Buffer.from('value'), headers: [] }
  const batch = encodeBatch({ records: [record] })
  void logs.append(Array.from({ length: partitionCount }, (_, partition) => ({ topicId, partition, batch })))
  const starts = () =>
    Array.from({ length: partitionCount }, (_, partition) => logs.offsets(topicId, partition)?.logStartOffset ?? -1)
  await run(2.5 * hour)
  assert.deepEqual(new Set(starts()), new Set([0]))
  const before = cluster.ledgerSequence()
  await run(hour)
  assert.deepEqual(new Set(starts()), new Set([1]))
  const entries = cluster.ledgerSequence() - before
  assert.ok(entries < 20, `${entries} entries`)
  assert.equal(logs.offsets(topicId, 7)?.highWatermark, 1)
  void cluster.close()
  await run(minute)
})
