import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoredCluster } from '../../../tests/support/stored-cluster.js'
import { StoreError } from '../../base/errors.js'
import { seededRandom } from '../../base/random.js'
import { clusterKey, copyMarkerKey, entryKey, numberOfKey, snapshotKey } from '../ledger/keys.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import { verifyCluster } from '../verify/verify.js'
import { copyCluster } from './copy.js'

const made = new StoredCluster()
const filled = await made.fill()

/** The cluster in the bucket again, so that nobody else's test finds it changed. */
function source(): StoredCluster {
  const bucket = new MemoryBucket()
  for (const [key, object] of made.bucket.objects) bucket.add(key, Buffer.from(object))
  return new StoredCluster(bucket)
}

async function copied(
  from: StoredCluster,
  to: StoredCluster,
  stores: { from?: ObjectStore; to?: ObjectStore; signal?: AbortSignal } = {},
) {
  const { signal = new AbortController().signal } = stores
  const random = seededRandom(3)
  const options = { from: stores.from ?? from.store, to: stores.to ?? to.store, clock: from.clock, random, signal }
  const result = await from.await(copyCluster(options))
  assert.ok(result)
  return result
}

async function isSound(copy: StoredCluster): Promise<void> {
  const { signal } = new AbortController()
  const verifying = verifyCluster({ store: copy.store, clock: copy.clock, isQuick: false, signal })
  const found = await copy.await(verifying)
  assert.deepEqual(found?.damages, [])
}

/** That a copy is sound, and holds just these values. */
async function holds(copy: StoredCluster, id: string, values: readonly string[][]): Promise<void> {
  await isSound(copy)
  const instance = await copy.open()
  for (const [partition, expected] of values.entries())
    assert.deepEqual(await copy.values(instance, id, partition), expected)
  await copy.await(copy.append(instance, id, 0, 'life goes on'))
  assert.equal((await copy.values(instance, id, 0)).at(-1), 'life goes on')
  await copy.await(instance.cluster.close())
}

test('a copy holds the same records at the same offsets, under the same id, and nothing that is not needed', async () => {
  const from = source()
  const to = new StoredCluster()
  const { copied: count, present, damages, lastSequences } = await copied(from, to)
  assert.deepEqual(damages, [])
  assert.equal(present.objects, 0)
  assert.ok(count.objects < from.bucket.objects.size - 50, 'what the collector would take stays behind')
  assert.deepEqual(to.bucket.objects.get(clusterKey), from.bucket.objects.get(clusterKey))
  assert.equal(to.bucket.objects.get(copyMarkerKey), undefined)
  assert.deepEqual(to.keys('writers/'), from.keys('writers/'))
  assert.equal(to.keys('snapshots/').at(-1), snapshotKey(0, lastSequences?.[0] ?? 0))
  await holds(to, filled.id, filled.values)
})

test('the entries do for a snapshot of the copy that is lost', async () => {
  const to = new StoredCluster()
  const { lastSequences } = await copied(source(), to)
  const damaged = to.bucket.objects.get(snapshotKey(0, lastSequences?.[0] ?? 0)) as Buffer
  damaged[100] = (damaged[100] as number) ^ 1
  const instance = await to.open()
  assert.deepEqual(await to.values(instance, filled.id, 1), filled.values[1])
})

test('a cluster without a snapshot, or without anything, is copied too', async () => {
  const from = new StoredCluster()
  const instance = await from.open()
  const empty = new StoredCluster()
  assert.deepEqual((await copied(from, empty)).lastSequences, [0])
  await empty.await((await empty.open()).cluster.close())
  const id = await from.topic(instance, 'young', 1)
  await from.await(from.append(instance, id, 0, 'a'))
  assert.deepEqual(from.keys('snapshots/'), [])
  const to = new StoredCluster()
  await copied(from, to)
  await holds(to, id, [['a']])
})

test('a store without a cluster is not copied', async () => {
  const options = { clock: made.clock, random: seededRandom(1), signal: new AbortController().signal }
  assert.equal(await copyCluster({ from: memoryStore(), to: memoryStore(), ...options }), undefined)
})

test('a copy that is broken off, wherever, is no cluster, and goes on when it is made again', async () => {
  const from = source()
  const total = (await copied(from, new StoredCluster())).copied.objects
  for (const puts of [1, 2, 50, total, total + 1, total + 2]) {
    const to = new StoredCluster()
    let left = puts
    const dying: ObjectStore = {
      ...to.store,
      putIfAbsent: (key, body) => {
        if (left-- > 0) return to.store.putIfAbsent(key, body)
        return Promise.reject(new StoreError('no space left', { key, retry: false }))
      },
    }
    await assert.rejects(copied(from, to, { to: dying }), /no space left/)
    assert.equal(to.bucket.objects.get(clusterKey), undefined, `${puts} puts`)
    await assert.rejects(to.open(), /holds an unfinished copy of cluster .*: run 'heraclitus ledger copy' again/)
    const again = await copied(from, to)
    assert.ok(puts < 50 || again.present.objects > 20, `${again.present.objects} were there`)
    await holds(to, filled.id, filled.values)
  }
})

test('a copy that was broken off goes on although the source has moved on since', async () => {
  const from = source()
  const to = new StoredCluster()
  const stop = new AbortController()
  let puts = 0
  const dying: ObjectStore = {
    ...to.store,
    putIfAbsent: (key, body) => {
      if (key.startsWith('snapshots') && puts++ > 0) stop.abort()
      return stop.signal.aborted ? Promise.reject(new Error('stopped')) : to.store.putIfAbsent(key, body)
    },
  }
  await assert.rejects(copied(from, to, { to: dying, signal: stop.signal }), /stopped/)
  const instance = await from.open()
  const values = filled.values.map((of) => [...of])
  for (let i = 0; i < 200; i++) {
    await from.await(from.append(instance, filled.id, i % 3, `later ${i}`))
    values[i % 3]?.push(`later ${i}`)
    await from.run(60_000)
  }
  await copied(from, to)
  await holds(to, filled.id, values)
})

test('the source goes on, moves records and deletes what they were in: the copy is how it was at some moment', async () => {
  const from = source()
  const to = new StoredCluster()
  const instance = await from.open()
  const values = filled.values.map((of) => [...of])
  let isDone = false
  const work = async () => {
    for (let i = 0; !isDone; i++) {
      await from.append(instance, filled.id, i % 3, `later ${i}`)
      values[i % 3]?.push(`later ${i}`)
      await from.clock.sleep(30_000)
    }
  }
  const working = work()
  const before = from.keys('')
  let wentMeanwhile = 0
  let missed = 0
  const slow: ObjectStore = {
    ...from.store,
    async get(key, range) {
      const isRecords = /^(segments|ledger|lanes)/.test(key) && range === undefined
      if (isRecords) await from.clock.sleep(5 * 60_000)
      const object = await from.store.get(key, range)
      if (isRecords && object === undefined) missed++
      wentMeanwhile = before.filter((old) => !from.bucket.objects.has(old)).length
      return object
    },
  }
  const { damages } = await copied(from, to, { from: slow })
  isDone = true
  await from.await(working)
  assert.deepEqual(damages, [])
  await isSound(to)
  assert.ok(wentMeanwhile > 10 && missed > 0, `${wentMeanwhile} went, ${missed} were missed`)
  const reader = await to.open()
  let copiedValues = 0
  for (const [partition, all] of values.entries()) {
    const found = await to.values(reader, filled.id, partition)
    assert.deepEqual(found, all.slice(0, found.length))
    copiedValues += found.length
  }
  assert.ok(copiedValues > filled.values.flat().length, 'the copy is of a later moment than its beginning')
  await to.await(reader.cluster.close())
})

test('a target that is not empty is refused, and left as it was', async () => {
  const from = source()
  const another = new StoredCluster(new MemoryBucket(), 100)
  await another.await((await another.open()).cluster.close())
  const strange = new StoredCluster()
  strange.bucket.add('holiday.jpg', Buffer.from('x'))
  const unfinished = new StoredCluster()
  unfinished.bucket.add(copyMarkerKey, Buffer.from('{"clusterId":"another"}\n'))
  const complete = new StoredCluster()
  await copied(from, complete)
  for (const [to, message] of [
    [another, /holds another cluster, /],
    [strange, /is not empty: it holds holiday\.jpg/],
    [unfinished, /holds an unfinished copy of another cluster, another/],
    [complete, /holds this cluster already, complete/],
  ] as const) {
    const before = new Map(to.bucket.objects)
    await assert.rejects(copied(from, to), message)
    assert.deepEqual(to.bucket.objects, before)
  }
})

test('a copy that only has its mark left is finished', async () => {
  const from = source()
  const to = new StoredCluster()
  await copied(from, to)
  const { clusterId } = JSON.parse((from.bucket.objects.get(clusterKey) as Buffer).toString())
  to.bucket.add(copyMarkerKey, Buffer.from(`{"clusterId":"${clusterId}"}\n`))
  assert.equal((await copied(from, to)).lastSequences, undefined)
  assert.equal(to.bucket.objects.get(copyMarkerKey), undefined)
  await holds(to, filled.id, filled.values)
})

test('damage at the source is told, and copied as it is', async () => {
  const from = source()
  const [segment, lost] = from.keys(`segments/${filled.id}/2/`).slice(-2) as [string, string]
  const object = from.bucket.objects.get(segment) as Buffer
  object[80] = (object[80] as number) ^ 1
  from.bucket.remove(lost)
  const to = new StoredCluster()
  const { damages } = await copied(from, to)
  assert.deepEqual(
    damages.map(({ key, problem, partition }) => ({ key, problem, partition })),
    [
      { key: segment, problem: 'corrupt', partition: 2 },
      { key: lost, problem: 'missing', partition: 2 },
    ],
  )
  assert.ok(to.bucket.objects.get(segment)?.equals(object))
})

test('a ledger that cannot be followed to its end is not copied', async () => {
  const from = source()
  // What a snapshot covers need not be read.
  const covered = numberOfKey(from.keys('snapshots/').at(-1) ?? '0')
  const key = from.keys('ledger/').find((entry) => numberOfKey(entry) > covered)
  assert.ok(key)
  const object = from.bucket.objects.get(key) as Buffer
  object[12] = (object[12] as number) ^ 1
  const to = new StoredCluster()
  await assert.rejects(copied(from, to), new RegExp(`is damaged: ${key}: the checksum of its header is wrong`))
  assert.equal(to.bucket.objects.get(clusterKey), undefined)
  assert.equal(to.bucket.objects.get(entryKey(0, 1)), undefined)
})

test('a source and a target that fail now and then do no harm', async () => {
  const from = source()
  const to = new StoredCluster()
  const random = seededRandom(5)
  const failing = (store: ObjectStore): ObjectStore => ({
    ...store,
    async get(key, range) {
      if (random.next() < 0.05) throw new StoreError('get failed', { key, retry: true })
      return store.get(key, range)
    },
    async putIfAbsent(key, body) {
      if (random.next() < 0.05) throw new StoreError('put failed', { key, retry: true })
      const outcome = await store.putIfAbsent(key, body)
      if (random.next() < 0.05) throw new StoreError('put failed, or not', { key, retry: true })
      return outcome
    },
  })
  await copied(from, to, { from: failing(from.store), to: failing(to.store) })
  await holds(to, filled.id, filled.values)
})
