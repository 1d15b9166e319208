import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../base/clock.js'
import { messageOf } from '../base/errors.js'
import { silentLog } from '../base/log.js'
import { systemRandom } from '../base/random.js'
import { batchesIn, compressions } from '../protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../protocol/records/record.js'
import { noCleanerObserver } from '../state/log/cleaner-observer.js'
import { type OpenCluster, openCluster } from '../state/open-cluster.js'
import { memoryStore } from '../state/store/memory.js'
import { CleaningWorker } from './cleaning-worker.js'

const partitions = 6
const keys = 7
const batches = 60

/** The records that a consumer finds. */
async function read(cluster: OpenCluster, topicId: string, partition: number): Promise<string[]> {
  const found: string[] = []
  for (let offset = 0; ; ) {
    const { batches: pieces, release } = await cluster.logs.read(topicId, partition, offset, { bytesMax: 1_000 })
    const all = [...batchesIn(Buffer.concat(pieces))].flatMap((batch) => decodeRecords(batch))
    release()
    if (all.length === 0) return found
    for (const record of all) {
      if (record.offset >= offset) found.push(`${record.key}=${record.value}`)
      offset = Math.max(offset, record.offset + 1)
    }
  }
}

test('several ledgers clean on one thread, beside those who write and read', { timeout: 60_000 }, async (t) => {
  const threads: string[] = []
  const worker = new CleaningWorker({
    clock: systemClock,
    log: silentLog(),
    observer: {
      started: () => threads.push('started'),
      ended: () => threads.push('ended'),
      failed: (when) => threads.push(when),
    },
  })
  const cleaned = new Set<number>()
  const cluster = await openCluster({
    store: memoryStore(),
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    settings: {
      ...{ flushIntervalMs: 0, flushBytes: 2 ** 20, maxInflightEntries: 2, waitingBytesMax: 2 ** 24 },
      ...{ pollIntervalMs: 50, snapshotEntries: 1_000, cacheBytes: 0, segmentBytes: 1_000 },
      ...{ compactIntervalMs: 50, compactAgeMs: 100, ledgers: 3 },
    },
    observersOf: (ledger) => ({
      cleanerObserver: {
        ...noCleanerObserver,
        cleaned: () => cleaned.add(ledger),
        cleaningFailed: () => assert.fail('a cleaning failed'),
      },
    }),
    cleaningWork: worker,
    onFatal: (error) => assert.fail(messageOf(error)),
  })
  t.after(async () => {
    await cluster.close()
    await worker.close()
  })
  const configs = new Map([
    ['cleanup.policy', 'compact'],
    ['min.cleanable.dirty.ratio', '0'],
  ])
  const { topic } = await cluster.topics.create({ name: 'topic', partitionCount: partitions, configs })
  const topicId = topic?.id ?? assert.fail('the topic was not created')
  for (let i = 0; i < batches; i++) {
    const records = [0, 1].map((j) => ({
      ...{ timestampMs: systemClock.now(), headers: [] },
      ...{ key: Buffer.from(`${(2 * i + j) % keys}`), value: Buffer.from(`${2 * i + j}`) },
    }))
    const compression = compressions[i % compressions.length] ?? 'none'
    const batch = encodeBatch({ records, compression })
    await cluster.logs.append(Array.from({ length: partitions }, (_, partition) => ({ topicId, partition, batch })))
    await sleep(5)
  }
  const last = Array.from({ length: keys }, (_, i) => 2 * batches - keys + i).map((i) => `${i % keys}=${i}`)
  for (let partition = 0; partition < partitions; partition++) {
    const isClean = (texts: string[]) => texts.length === last.length
    for (let waited = 0; !isClean(await read(cluster, topicId, partition)) && waited < 400; waited++) await sleep(50)
    assert.deepEqual(await read(cluster, topicId, partition), last, `partition ${partition}`)
  }
  assert.deepEqual(cleaned, new Set([0, 1, 2]))
  assert.deepEqual(threads, ['started'])
})
