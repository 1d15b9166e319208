import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/clock.js'
import { silentLog } from '../base/log.js'
import { systemRandom } from '../base/random.js'
import { encodeBatch } from '../protocol/records/record.js'
import { entryKey } from './ledger/keys.js'
import { openCluster } from './open-cluster.js'
import { MemoryBucket, memoryStore } from './store/memory.js'
import type { ObjectStore } from './store/object-store.js'

const settings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 20,
  pollIntervalMs: 5,
  snapshotEntries: 1_000,
  cacheBytes: 2 ** 16,
  compactIntervalMs: 20,
  compactAgeMs: 40,
}

test("an instance that can't go on ends within seconds, whatever it waits for", { timeout: 20_000 }, async () => {
  const bucket = new MemoryBucket()
  const bare = memoryStore(bucket)
  // From some moment on the store answers nothing but the look for the next entry.
  let isSilent = false
  let left = 0
  let next = ''
  const never = <Result>(): Promise<Result> => {
    left++
    return new Promise<Result>(() => {})
  }
  const store: ObjectStore = {
    ...bare,
    get: (key, range) => (isSilent && key !== next ? never() : bare.get(key, range)),
    putIfAbsent: (key, body) => (isSilent ? never() : bare.putIfAbsent(key, body)),
    delete: (keys) => (isSilent ? never() : bare.delete(keys)),
  }
  let fail = (_: Error) => {}
  const failed = new Promise<Error>((resolve) => {
    fail = resolve
  })
  const cluster = await openCluster({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    settings,
    onFatal: (error) => fail(error),
  })
  const { topic } = await cluster.topics.create({ name: 'orders', partitionCount: 1, configs: new Map() })
  const batch = encodeBatch({ records: [{ timestampMs: 1_000, key: null, value: Buffer.from('x'), headers: [] }] })
  for (let i = 0; i < 5; i++) await cluster.logs.append([{ topicId: topic?.id ?? '', partition: 0, batch }])

  next = entryKey(0, cluster.ledgerSequence() + 1)
  isSilent = true
  // Upkeep is about to move what was appended.
  for (let waitedMs = 0; left === 0 && waitedMs < 5_000; waitedMs += 10) await systemClock.sleep(10)
  assert.ok(left > 0, 'upkeep waits for the store')
  bucket.add(next, Buffer.from('no entry'))
  assert.match((await failed).message, /the store is damaged/)
  const sinceMs = performance.now()
  await cluster.close()
  assert.ok(performance.now() - sinceMs < 3_000)
})
