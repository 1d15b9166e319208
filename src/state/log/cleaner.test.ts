import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { batchesIn, type Compression, compressions } from '../../protocol/records/batch.js'
import { type DecodedRecord, decodeRecords, encodeBatch } from '../../protocol/records/record.js'
import { pack } from '../ledger/entry.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../open-cluster.js'
import { Gate } from '../store/gate.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import { toSnapshot } from '../views/state.js'
import { Cleaner } from './cleaner.js'
import { type Cleaning, noCleanerObserver } from './cleaner-observer.js'
import { type CleaningSession, type CleaningWork, inlineCleaning } from './cleaning-work.js'
import { decodeSegment } from './segment.js'
import { SegmentStore } from './segment-store.js'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 2,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: minute,
  snapshotEntries: 20,
  cacheBytes: 0,
  segmentBytes: 1_500,
  compactIntervalMs: 10 * second,
  compactAgeMs: 30 * second,
}

interface Written {
  key: string | null
  value: string | null
  timestampMs: number
}

/** A cluster in virtual time with one topic of one partition, and what was written to it. */
class World {
  readonly clock = new VirtualClock()
  readonly bucket = new MemoryBucket()
  readonly cleanings: Cleaning[] = []
  readonly written: Written[] = []
  topicId = ''
  failures = 0
  #seed = 0

  open(
    changed: Partial<ClusterSettings> = {},
    change = (store: ObjectStore) => store,
    cleaningWork: CleaningWork = inlineCleaning(this.clock),
  ): Promise<OpenCluster> {
    return this.await(
      openCluster({
        store: change(memoryStore(this.bucket)),
        clock: this.clock,
        random: seededRandom(++this.#seed),
        log: silentLog(),
        settings: { ...settings, ...changed },
        cleanerObserver: {
          cleaned: (cleaning) => this.cleanings.push(cleaning),
          cleaningFailed: () => this.failures++,
          looked: (ratio) => assert.ok(ratio >= 0 && ratio <= 1, `${ratio}`),
        },
        cleaningWork,
        onFatal: (error) => assert.fail(messageOf(error)),
      }),
    )
  }

  async create(cluster: OpenCluster, configs: Record<string, string | number>): Promise<void> {
    const all = new Map([['cleanup.policy', 'compact'], ...Object.entries(configs)].map(([k, v]) => [`${k}`, `${v}`]))
    const created = await this.await(cluster.topics.create({ name: 'topic', partitionCount: 1, configs: all }))
    this.topicId = created.topic?.id ?? assert.fail('the topic was not created')
  }

  await<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntilSettled(promise, 10 * minute)
  }

  run(ms: number): Promise<unknown> {
    return this.clock.run(this.clock.monotonic() + ms)
  }

  /** Appends one batch; a record is [key, value]. */
  async append(
    cluster: OpenCluster,
    records: readonly (readonly [key: string | null, value: string | null])[],
    compression: Compression = 'none',
  ): Promise<void> {
    const timestampMs = this.clock.now()
    const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
    const encoded = records.map(([key, value]) => ({ timestampMs, key: bytes(key), value: bytes(value), headers: [] }))
    const batch = encodeBatch({ records: encoded, compression })
    const [outcome] = await this.await(cluster.logs.append([{ topicId: this.topicId, partition: 0, batch }]))
    assert.equal(outcome?.baseOffset, this.written.length)
    for (const [key, value] of records) this.written.push({ key, value, timestampMs })
  }

  /** The records that a consumer finds from an offset on. */
  async read(cluster: OpenCluster, from: number, bytesMax = 1_000): Promise<DecodedRecord[]> {
    const found: DecodedRecord[] = []
    for (let offset = from; ; ) {
      const { batches } = await this.await(cluster.logs.read(this.topicId, 0, offset, { bytesMax }))
      const all = [...batchesIn(Buffer.concat(batches))]
      if (all.length === 0) return found
      for (const batch of all) {
        const records = decodeRecords(batch)
        found.push(...records.filter((record) => record.offset >= offset))
        offset = Math.max(offset, Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23) + 1)
      }
    }
  }

  async texts(cluster: OpenCluster, from = 0): Promise<string[]> {
    const records = await this.read(cluster, from)
    return records.map(({ offset, key, value }) => `${offset}:${key}=${value}`)
  }

  log(cluster: OpenCluster) {
    return cluster.proposer.state.partitions.get(this.topicId, 0) ?? assert.fail('there is no partition')
  }

  checkSegments(): void {
    for (const [key, object] of this.bucket.objects) if (key.startsWith('segments/')) decodeSegment(object, key)
  }
}

test('of each key the last record stays, at its offset, and a reader goes from one to the next', async () => {
  const world = new World()
  const cluster = await world.open()
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0 })
  for (let i = 0; i < 60; i++) {
    await world.append(cluster, [[`${i % 7}`, `${i}`]])
    await world.run(second)
  }
  await world.run(5 * minute)
  const expected = [53, 54, 55, 56, 57, 58, 59].map((i) => `${i}:${i % 7}=${i}`)
  assert.deepEqual(await world.texts(cluster), expected)
  for (let from = 0; from <= 60; from++)
    assert.deepEqual(await world.texts(cluster, from), expected.slice(Math.max(from - 53, 0)))
  assert.deepEqual(cluster.logs.offsets(world.topicId, 0)?.highWatermark, 60)
  assert.equal(cluster.logs.offsets(world.topicId, 0)?.logStartOffset, 0)
  assert.equal(world.log(cluster).firstDirtyOffset, 60)
  assert.deepEqual(await world.await(cluster.logs.offsetForTime(world.topicId, 0, 0)), {
    offset: 53,
    timestampMs: world.written[53]?.timestampMs,
  })
  assert.equal((await world.await(cluster.logs.offsetOfMaxTimestamp(world.topicId, 0)))?.offset, 59)
  world.checkSegments()
  await world.await(cluster.close())

  const later = await world.open()
  assert.equal(world.log(later).firstDirtyOffset, 60)
  await world.append(later, [['3', 'new']])
  await world.run(5 * minute)
  assert.deepEqual(await world.texts(later), [...expected.filter((text) => !text.includes(':3=')), '60:3=new'])
  assert.equal(world.failures, 0)
  await world.await(later.close())
})

test('a tombstone goes when delete.retention.ms has passed since its key was cleaned, not before', async () => {
  const world = new World()
  const cluster = await world.open()
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0, 'delete.retention.ms': 30 * minute })
  await world.append(cluster, [
    ['a', '1'],
    ['b', '1'],
    ['a', null],
  ])
  await world.append(cluster, [['c', '1']])
  await world.run(5 * minute)
  assert.deepEqual(await world.texts(cluster), ['1:b=1', '2:a=null', '3:c=1'])
  const horizonMs = world.log(cluster).deleteHorizonMs
  assert.ok(horizonMs > world.clock.now() + 24 * minute && horizonMs <= world.clock.now() + 30 * minute)
  await world.run(horizonMs - world.clock.now() - second)
  assert.deepEqual(await world.texts(cluster), ['1:b=1', '2:a=null', '3:c=1'])
  const times = (await world.read(cluster, 0)).map(({ timestampMs }) => timestampMs)
  assert.deepEqual(
    times,
    [1, 2, 3].map((offset) => world.written[offset]?.timestampMs),
  )
  await world.run(minute)
  assert.deepEqual(await world.texts(cluster), ['1:b=1', '3:c=1'])
  assert.equal(world.log(cluster).deleteHorizonMs, -1)
  const { length } = world.cleanings
  await world.run(hour)
  assert.equal(world.cleanings.length, length, 'there is nothing more to clean')
  await world.await(cluster.close())
})

test('the last record of a log stays, even a tombstone: a reader behind it would wait for ever', async () => {
  const world = new World()
  const cluster = await world.open()
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0, 'delete.retention.ms': 0 })
  await world.append(cluster, [['a', '1']])
  await world.append(cluster, [['a', null]])
  await world.run(hour)
  assert.deepEqual(await world.texts(cluster), ['1:a=null'])
  const { length } = world.cleanings
  assert.ok(length < 5, `${length} cleanings`)
  await world.append(cluster, [['b', '1']])
  await world.run(hour)
  assert.deepEqual(await world.texts(cluster), ['2:b=1'])
  await world.await(cluster.close())
})

test('what is younger than min.compaction.lag.ms stays whole', async () => {
  const world = new World()
  const cluster = await world.open({ segmentBytes: 300 })
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0, 'min.compaction.lag.ms': hour })
  for (let i = 0; i < 20; i++) {
    await world.append(cluster, [['a', `${i}`]])
    await world.run(3 * minute)
  }
  for (let i = 20; i < 40; i++) {
    const now = world.clock.now()
    const offsets = new Set((await world.read(cluster, 0)).map(({ offset }) => offset))
    for (const [offset, { timestampMs }] of world.written.entries())
      assert.ok(timestampMs <= now - hour || offsets.has(offset), `offset ${offset}`)
    await world.append(cluster, [['a', `${i}`]])
    await world.run(3 * minute)
  }
  assert.ok((await world.read(cluster, 0)).length < 30)
  await world.await(cluster.close())
})

test('a partition waits until its dirty ratio is reached, or max.compaction.lag.ms has passed', async () => {
  for (const [configs, expected] of [
    [{ 'min.cleanable.dirty.ratio': 1 }, 0],
    [{ 'min.cleanable.dirty.ratio': 0.9 }, 1],
    [{ 'min.cleanable.dirty.ratio': 1, 'max.compaction.lag.ms': hour }, 1],
  ] as const) {
    const world = new World()
    const cluster = await world.open({ compactAgeMs: 3 * hour })
    await world.create(cluster, configs)
    for (let i = 0; i < 40; i++) await world.append(cluster, [['a', `${i}`]])
    await world.run(50 * minute)
    // The oldest fill segments, and those are all dirty.
    const early = 'max.compaction.lag.ms' in configs ? 0 : expected
    assert.equal(world.cleanings.length, early, JSON.stringify(configs))
    await world.run(3 * hour)
    assert.equal(world.cleanings.length > 0 ? 1 : 0, expected, JSON.stringify(configs))
    if (expected === 1) assert.ok((await world.read(cluster, 0)).length < 40)
    if ('max.compaction.lag.ms' in configs) assert.deepEqual(await world.texts(cluster), ['39:a=39'])
    await world.await(cluster.close())
  }
})

test('with compact,delete old records go, whatever their keys', async () => {
  const world = new World()
  const cluster = await world.open()
  const configs = { 'cleanup.policy': 'compact,delete', 'min.cleanable.dirty.ratio': 0, 'retention.ms': hour }
  await world.create(cluster, configs)
  await world.append(cluster, [
    ['a', '1'],
    ['a', '2'],
    ['b', '1'],
  ])
  await world.run(10 * minute)
  assert.deepEqual(await world.texts(cluster), ['1:a=2', '2:b=1'])
  await world.append(cluster, [['b', '2']])
  await world.run(57 * minute)
  assert.deepEqual(await world.texts(cluster, cluster.logs.offsets(world.topicId, 0)?.logStartOffset), ['3:b=2'])
  await world.run(20 * minute)
  assert.deepEqual(cluster.logs.offsets(world.topicId, 0)?.logStartOffset, 4)
  await world.append(cluster, [['c', '1']])
  await world.run(10 * minute)
  assert.deepEqual(await world.texts(cluster, 4), ['4:c=1'])
  assert.equal(world.failures, 0)
  await world.await(cluster.close())
})

test('work that fails, at whatever step, changes nothing; it is counted, and tried again after ten minutes', async () => {
  const failing: ('begin' | 'note' | 'clean')[] = ['begin', 'note', 'clean']
  const world = new World()
  const inline = inlineCleaning(world.clock)
  const fails = (step: keyof CleaningSession | 'begin') => {
    if (failing[0] !== step) return
    failing.shift()
    throw new Error('the worker thread ended')
  }
  let sessions = 0
  const work: CleaningWork = {
    async begin(keys, signal) {
      fails('begin')
      sessions++
      const session = await inline.begin(keys, signal)
      return {
        async note(stored) {
          fails('note')
          return session.note(stored)
        },
        async clean(stored, rules) {
          fails('clean')
          return session.clean(stored, rules)
        },
        end: () => sessions--,
      }
    },
  }
  const cluster = await world.open({}, undefined, work)
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0 })
  for (let i = 0; i < 40; i++) await world.append(cluster, [[`${i % 3}`, `${i}`]])
  for (let failures = 1; failures <= 3; failures++) {
    await world.run((failures === 1 ? 2 : 10) * minute)
    assert.equal(world.failures, failures)
    assert.equal((await world.texts(cluster)).length, 40)
    assert.equal(sessions, 0)
  }
  await world.run(11 * minute)
  assert.deepEqual(await world.texts(cluster), ['37:1=37', '38:2=38', '39:0=39'])
  assert.deepEqual([world.failures, sessions], [3, 0])
  await world.await(cluster.close())
})

test('work that is given up as an instance ends has not failed', async () => {
  const world = new World()
  let begun = 0
  const work: CleaningWork = {
    begin: (_, signal) =>
      new Promise((_resolve, reject) => {
        begun++
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  }
  const cluster = await world.open({}, undefined, work)
  await world.create(cluster, { 'min.cleanable.dirty.ratio': 0 })
  for (let i = 0; i < 40; i++) await world.append(cluster, [['a', `${i}`]])
  await world.run(5 * minute)
  await world.await(cluster.close())
  assert.deepEqual([begun, world.failures], [1, 0])
})

/** A cleaner whose wall clock is hours ahead: for it the records are old enough. */
function cleanerAhead(world: World, cluster: OpenCluster, store: ObjectStore, cleanings: Cleaning[]): Cleaner {
  const { clock } = world
  const ahead: Clock = {
    now: () => clock.now() + 3 * hour,
    monotonic: () => clock.monotonic(),
    after: (ms, task) => clock.after(ms, task),
    soon: (task) => clock.soon(task),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }
  const { proposer } = cluster
  const { signal } = new AbortController()
  return new Cleaner({
    store,
    proposer,
    segments: new SegmentStore({ store, proposer, clock: ahead, random: seededRandom(1), signal }),
    clock: ahead,
    log: silentLog(),
    observer: { ...noCleanerObserver, cleaned: (cleaning) => cleanings.push(cleaning) },
    ledger: 0,
    segmentBytes: settings.segmentBytes ?? 0,
    dedupeBufferBytes: 2 ** 16,
    work: inlineCleaning(ahead),
    turn: new Gate(1),
    signal,
  })
}

test('of two instances that clean the same ranges at once one is void, and nothing is lost', async () => {
  const world = new World()
  const [a, b] = [await world.open(), await world.open()]
  await world.create(a, { 'min.cleanable.dirty.ratio': 0, 'min.compaction.lag.ms': 2 * hour })
  await world.await(b.barrier())
  await world.append(a, [['first', '']])
  for (let i = 1; i < 50; i++) await world.append(a, [[`${i % 3}`, `${i}`]])
  await world.run(10 * minute)
  assert.deepEqual(world.cleanings, [])
  // Neither stores its segment before the other has read what it is to replace.
  const release: (() => void)[] = []
  const store = {
    ...memoryStore(world.bucket),
    putIfAbsent: async (key: string, body: readonly Uint8Array[]) => {
      await new Promise<void>((resolve) => {
        if (release.push(resolve) >= 2) for (const each of release) each()
      })
      return memoryStore(world.bucket).putIfAbsent(key, body)
    },
  }
  const cleanings: Cleaning[] = []
  const both = [a, b].map((cluster) => cleanerAhead(world, cluster, store, cleanings).pass([]))
  await world.await(Promise.all(both))
  assert.deepEqual(new Set(cleanings.map(({ outcome }) => outcome)), new Set(['complete', 'void']))
  await world.await(Promise.all([a.barrier(), b.barrier()]))
  assert.ok(pack(toSnapshot(a.proposer.state)).equals(pack(toSnapshot(b.proposer.state))))
  for (const cluster of [a, b])
    assert.deepEqual(await world.texts(cluster), ['0:first=', '47:2=47', '48:0=48', '49:1=49'])
  assert.equal(world.log(a).firstDirtyOffset, 50)
  world.checkSegments()
  await world.await(Promise.all([a.close(), b.close()]))
})

/** What happens to a topic. */
type Step =
  | { kind: 'append'; codec: number; records: { key: number; size: number }[] }
  | { kind: 'run'; ms: number }
  | { kind: 'delete'; share: number }
  | { kind: 'restart' }

const keyOf = (key: number) => (key < 3 ? `${key}` : `a rather long key that is hashed ${key}`)

test('whatever is written: the last record of each key is there, and what is gone was to go', async () => {
  const append: fc.Arbitrary<Step> = fc.record({
    kind: fc.constant('append' as const),
    codec: fc.nat(compressions.length - 1),
    records: fc.array(fc.record({ key: fc.nat(24), size: fc.integer({ min: -2, max: 12 }) }), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  const run: fc.Arbitrary<Step> = fc.record({
    kind: fc.constant('run' as const),
    ms: fc.integer({ min: second, max: 15 * minute }),
  })
  const step = fc.oneof(
    { weight: 8, arbitrary: append },
    { weight: 6, arbitrary: run },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('delete' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  )
  const configs = fc.record({
    lagMs: fc.constantFrom(0, 5 * minute, hour),
    deleteRetentionMs: fc.constantFrom(0, 20 * minute),
    ratio: fc.constantFrom(0, 0.3),
    // Few keys at a time, or all of them.
    dedupeBufferBytes: fc.constantFrom(0, 2 ** 20),
    segmentBytes: fc.constantFrom(300, 1_500, 2 ** 20),
  })
  await fc.assert(
    fc.asyncProperty(configs, fc.array(step, { minLength: 5, maxLength: 60 }), async (options, steps) => {
      const { lagMs, deleteRetentionMs, ratio, dedupeBufferBytes, segmentBytes } = options
      const world = new World()
      let cluster = await world.open({ dedupeBufferBytes, segmentBytes })
      await world.create(cluster, {
        'min.compaction.lag.ms': lagMs,
        'delete.retention.ms': deleteRetentionMs,
        'min.cleanable.dirty.ratio': ratio,
      })
      const consumer = new Map<string, string>()
      let position = 0
      for (const each of steps) {
        if (each.kind === 'append') {
          const records = each.records.map(({ key, size }) => {
            const value = size < 0 ? null : `${world.written.length}-${'x'.repeat(size * 10)}`
            return [keyOf(key), value] as const
          })
          await world.append(cluster, records, compressions[each.codec])
        } else if (each.kind === 'run') await world.run(each.ms)
        else if (each.kind === 'delete') {
          const offset = Math.floor(position * each.share)
          await world.await(cluster.logs.deleteRecords(world.topicId, 0, offset))
        } else {
          await world.await(cluster.close())
          cluster = await world.open({ dedupeBufferBytes, segmentBytes })
        }
        // A consumer that keeps up sees every deletion.
        for (const { offset, key, value } of await world.read(cluster, position)) {
          if (value === null) consumer.delete(`${key}`)
          else consumer.set(`${key}`, `${value}`)
          position = offset + 1
        }
        if (deleteRetentionMs > 0) assert.deepEqual(sorted(consumer), sorted(lastValues(world.written)))
        await checkLog(world, cluster, { lagMs, deleteRetentionMs })
      }
      assert.equal(world.failures, 0)
      // Given time, and a last record that may not go, nothing is left but the last value of each key.
      await world.append(cluster, [['last', 'last']])
      if (ratio === 0) {
        await world.run(3 * hour)
        const { logStartOffset } = cluster.logs.offsets(world.topicId, 0) ?? assert.fail()
        const kept = [...lastOffsets(world.written)].filter(
          ([, offset]) => offset >= logStartOffset && world.written[offset]?.value !== null,
        )
        assert.deepEqual(
          (await world.read(cluster, logStartOffset)).map(({ offset }) => offset),
          kept.map(([, offset]) => offset).sort((a, b) => a - b),
        )
      }
      await checkLog(world, cluster, { lagMs, deleteRetentionMs })
      world.checkSegments()
      await world.await(cluster.close())
    }),
    { numRuns: 25 },
  )
})

const sorted = (values: ReadonlyMap<string, unknown>) => [...values].sort(([a], [b]) => (a < b ? -1 : 1))

function lastOffsets(written: readonly Written[]): Map<string, number> {
  return new Map(written.map(({ key }, offset) => [`${key}`, offset]))
}

function lastValues(written: readonly Written[]): Map<string, string> {
  const last = [...lastOffsets(written)].map(([key, offset]) => [key, written[offset]?.value] as const)
  return new Map(last.flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))
}

/** Every record is where it was written, and every one that isn't there was to go. */
async function checkLog(
  world: World,
  cluster: OpenCluster,
  { lagMs, deleteRetentionMs }: { lagMs: number; deleteRetentionMs: number },
): Promise<void> {
  const now = world.clock.now()
  const { logStartOffset } = cluster.logs.offsets(world.topicId, 0) ?? assert.fail()
  const records = await world.read(cluster, logStartOffset)
  const found = new Set<number>()
  let last = -1
  for (const { offset, key, value, timestampMs } of records) {
    assert.ok(offset > last, `${offset} follows ${last}`)
    last = offset
    found.add(offset)
    const read = { key: `${key}`, value: value === null ? null : `${value}`, timestampMs }
    assert.deepEqual(read, world.written[offset], `offset ${offset}`)
  }
  const lasts = lastOffsets(world.written)
  for (const [offset, { key, value, timestampMs }] of world.written.entries()) {
    if (offset < logStartOffset || found.has(offset)) continue
    assert.ok(timestampMs <= now - lagMs, `offset ${offset} is gone and too young for that`)
    assert.ok(offset < world.written.length - 1, 'the last record is gone')
    if (lasts.get(`${key}`) !== offset) continue
    assert.ok(value === null && timestampMs <= now - deleteRetentionMs, `offset ${offset} is gone, the last of ${key}`)
    const older = records.find((record) => `${record.key}` === key)
    assert.equal(older, undefined, `offset ${offset} is gone, and ${key} is back`)
  }
}
