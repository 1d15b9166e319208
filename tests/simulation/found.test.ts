import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.js'
import { messageOf, UnavailableError } from '../../src/base/errors.js'
import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { batchesIn, patchInPlace } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import type { Lease } from '../../src/state/cluster.js'
import { leases } from '../../src/state/groups/leases.js'
import { encodeHead, pack } from '../../src/state/ledger/entry.js'
import { Fence } from '../../src/state/ledger/fence.js'
import { Fold } from '../../src/state/ledger/fold.js'
import { Follower } from '../../src/state/ledger/follower.js'
import { entryKey, laneKey, objectKey, segmentKey, writerKey } from '../../src/state/ledger/keys.js'
import { Lanes } from '../../src/state/ledger/lanes.js'
import { noLedgerObserver } from '../../src/state/ledger/observer.js'
import type { Proposer } from '../../src/state/ledger/proposer.js'
import { LogBytes } from '../../src/state/log/log-bytes.js'
import { readBatches } from '../../src/state/log/reader.js'
import { RecentBytes } from '../../src/state/log/recent-bytes.js'
import { SegmentBuilder } from '../../src/state/log/segment.js'
import { offsetForTime } from '../../src/state/log/times.js'
import { type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'
import { PartitionLog } from '../../src/state/views/partition-log.js'
import { emptyState } from '../../src/state/views/state.js'
import { GroupTestBed, stabilize, TestMember } from '../support/group-members.js'
import { ManualClock } from '../support/manual-clock.js'
import { OrderedLedger } from '../support/ordered-ledger.js'
import { VirtualClock } from './virtual-clock.js'

/** What the simulator found, said directly. */

test('the tail is not confirmed by a look that left out the place at which a put was under way', async () => {
  const clock = new VirtualClock()
  const memory = memoryStore()
  const entry = [encodeHead(7, [])]
  await memory.putIfAbsent(entryKey(0, 1), entry)
  await memory.putIfAbsent(entryKey(0, 2), entry)
  let isPutting = true
  const fold = new Fold(emptyState(), 1, {
    listener: { partApplied() {}, entryApplied() {} },
    observer: noLedgerObserver,
    writer: 1,
  })
  const follower = new Follower({
    store: {
      ...memory,
      async get(key, range) {
        await clock.sleep(30)
        // While the place after is looked at, the put at this one learns that somebody else has it.
        isPutting = fold.next < 2
        return memory.get(key, range)
      },
    },
    fold,
    fence: new Fence(clock, 60 * 60_000),
    clock,
    log: silentLog(),
    ledger: 0,
    pollIntervalMs: 10_000,
    isAwaited: () => true,
    isExpected: () => false,
    isPutting: (sequence) => sequence === 2 && isPutting,
    bodyRead() {},
    onFatal: assert.fail,
  })
  follower.start()
  await clock.run(1_000)
  assert.equal(fold.next, 2)
  assert.equal(follower.tailAgeMs(), Number.POSITIVE_INFINITY)
})

/** The bytes of a ledger's records, with next to no cache. */
const bytesOf = (store: ObjectStore) =>
  new LogBytes({
    tail: store,
    backfill: store,
    ledger: 0,
    cacheBytes: 1_000,
    clock: systemClock,
    observer: { lookedUp() {} },
  })

test('a reader far behind the tail of many small entries gets something soon', async () => {
  const clock = new VirtualClock()
  const memory = memoryStore()
  const log = new PartitionLog('0'.repeat(32), 0)
  const batch = encodeBatch({ records: [{ timestampMs: 1, key: null, value: Buffer.from('value'), headers: [] }] })
  const count = 1_000
  for (let offset = 0; offset < count; offset++) {
    await memory.putIfAbsent(entryKey(0, offset + 1), [batch])
    const range = { baseOffset: offset, endOffset: offset + 1, writer: 0, number: offset + 1, position: 0 }
    log.ranges.append({ ...range, length: batch.length, maxTimestampMs: 1 })
    log.endOffset = offset + 1
  }
  const store = {
    ...memory,
    async get(key: string) {
      await clock.sleep(30)
      return memory.get(key)
    },
  }
  const bytes = bytesOf(store)
  let offset = 0
  const read = async () => {
    while (offset < count) {
      const sinceMs = clock.monotonic()
      const result = await readBatches(bytes, log, offset, { bytesMax: 2 ** 20 })
      assert.ok(clock.monotonic() - sinceMs < 500)
      assert.ok(result.bytes > 0)
      offset += result.bytes / batch.length
    }
  }
  const reading = read()
  await clock.run(10_000, () => offset === count)
  await reading
  assert.ok(clock.monotonic() < 3_000, `${clock.monotonic()} ms`)
})

test('a reader does not take what it read of a small range for a larger one that compaction put in its place', async () => {
  const memory = memoryStore()
  const log = new PartitionLog('0'.repeat(32), 0)
  const batch = encodeBatch({ records: [{ timestampMs: 1, key: null, value: Buffer.from('value'), headers: [] }] })
  const rangeOf = (baseOffset: number, count: number, writer: number, number: number) => ({
    ...{ baseOffset, endOffset: baseOffset + count, writer, number, position: 0 },
    ...{ length: batch.length * count, maxTimestampMs: 1 },
  })
  for (let offset = 0; offset < 4; offset++) {
    await memory.putIfAbsent(entryKey(0, offset + 1), [batch])
    log.ranges.append(rangeOf(offset, 1, 0, offset + 1))
  }
  log.endOffset = 4
  const segment = { writer: -7, number: 1 }
  // In a segment batches have their offsets.
  const placed = [1, 2, 3].map((offset) => {
    const own = Buffer.from(batch)
    patchInPlace(own, 0, offset, 0)
    return own
  })
  await memory.putIfAbsent(objectKey(0, log.topicId, 0, segment), placed)
  const store: ObjectStore = {
    ...memory,
    async get(key, range) {
      const object = await memory.get(key, range)
      // All four are being read by now.
      if (key === entryKey(0, 1)) log.ranges.replace(1, 3, [rangeOf(1, 3, segment.writer, segment.number)])
      return object
    },
  }
  const bytes = bytesOf(store)
  const { batches } = await readBatches(bytes, log, 0, { bytesMax: 2 ** 20 })
  const offsets = [...batchesIn(Buffer.concat(batches))].flatMap((one) =>
    decodeRecords(one).map(({ offset }) => offset),
  )
  assert.deepEqual(offsets, [0, 1, 2, 3])
})

test('bytes of an entry of which only a beginning was read are not pieced together within a batch', () => {
  const recent = new RecentBytes(1_000)
  const object = { writer: 0, number: 1 }
  // Read back: its first part, and half of a batch of its second; then what this instance wrote itself.
  recent.keep(object, 10, [Buffer.alloc(50, 1)])
  recent.keep(object, 40, [Buffer.alloc(40, 2)])
  assert.equal(recent.find(object, 20, 60), undefined)
  assert.equal(recent.find(object, 40, 40)?.length, 1)
})

test('a member that comes to a new instance just before its time is up stays', async () => {
  const bed = new GroupTestBed()
  const first = bed.open()
  bed.open()
  await bed.createTopic('topic', 1)
  const member = new TestMember(first.coordinator, 'group')
  await stabilize(bed.clock, [member])
  await member.heartbeat()
  await bed.clock.advance(3_500)
  first.instance.cut()
  await bed.clock.advance(6_000)
  // It measures the member's silence from now on only; the other one has done so all the time.
  const second = bed.open()
  second.instance.mend()
  await bed.clock.advance(0)
  const moved = Object.assign(new TestMember(second.coordinator, 'group'), {
    memberId: member.memberId,
    generationId: member.generationId,
  })
  assert.equal(await moved.heartbeat(), ErrorCode.NONE)
  await bed.clock.advance(3_000)
  assert.equal(await moved.heartbeat(), ErrorCode.NONE)
  first.instance.mend()
  await bed.clock.advance(0)
  bed.close()
})

test('a lease that is learnt to be ours only when its time is up is not given out', async () => {
  const clock = new ManualClock()
  const instance = new OrderedLedger(clock).open()
  let isAsleep = true
  const proposer: Proposer = {
    state: instance.state,
    writer: instance.writer,
    async propose(kind, command) {
      const outcome = await instance.propose(kind, command)
      if (isAsleep) await clock.sleep(20_000)
      isAsleep = false
      return outcome
    },
    barrier: () => instance.barrier(),
    tailAgeMs: () => instance.tailAgeMs(),
    listen: (listener) => instance.listen(listener),
  }
  const held = leases({ proposer, clock, random: seededRandom(1), log: silentLog() })
  const given: Lease[] = []
  const acquiring = held.acquire('pipeline', new AbortController().signal).then((lease) => given.push(lease))
  await clock.advance(20_000)
  await acquiring
  assert.deepEqual(
    given.map(({ term, signal }) => [term, signal.aborted]),
    [[2, false]],
  )
  await held.close()
})

/** A log of single records, each in an entry of its own, in a store that takes its time. */
async function slowLog(clock: VirtualClock, count: number, timestampMs: (offset: number) => number) {
  const memory = memoryStore()
  const log = new PartitionLog('0'.repeat(32), 0)
  for (let offset = 0; offset < count; offset++) {
    const record = { timestampMs: timestampMs(offset), key: null, value: Buffer.from(`${offset}`), headers: [] }
    const batch = encodeBatch({ records: [record] })
    await memory.putIfAbsent(entryKey(0, offset + 1), [batch])
    const range = { baseOffset: offset, endOffset: offset + 1, writer: 0, number: offset + 1, position: 0 }
    log.ranges.append({ ...range, length: batch.length, maxTimestampMs: timestampMs(offset) })
    log.endOffset = offset + 1
  }
  const store: ObjectStore = {
    ...memory,
    async get(key, range) {
      await clock.sleep(30)
      return memory.get(key, range)
    },
  }
  /** What upkeep does: the ranges between two offsets become one, in a segment. */
  const compact = async (from: number, to: number) => {
    const segment = new SegmentBuilder(log.topicId, 0, from)
    for (let offset = from; offset < to; offset++) {
      const entry = await memory.get(entryKey(0, offset + 1))
      segment.add(entry?.bytes ?? assert.fail(), offset, offset)
    }
    await memory.putIfAbsent(segmentKey(log.topicId, 0, 1, to), segment.finish())
    let baseOffset = from
    const chunks = segment.chunks.map((chunk) => {
      const range = { ...chunk, baseOffset, writer: -1, number: to }
      baseOffset = chunk.endOffset
      return range
    })
    log.ranges.replace(log.ranges.find(from), log.ranges.find(to) - log.ranges.find(from), chunks)
  }
  const bytes = bytesOf(store)
  return { log, bytes, compact }
}

for (const [from, to] of [
  [0, 40],
  [5, 30],
  [10, 40],
] as const)
  test(`a reader of 40 records misses none and gets none twice when ${from} to ${to} move under it`, async () => {
    const clock = new VirtualClock()
    const { log, bytes, compact } = await slowLog(clock, 40, () => 1)
    const reading = readBatches(bytes, log, 0, { bytesMax: 2 ** 20 })
    await clock.run(10)
    await compact(from, to)
    await clock.run(10_000)
    const values: string[] = []
    for (const batch of batchesIn(Buffer.concat((await reading).batches)))
      for (const { offset, value } of decodeRecords(batch)) values.push(`${offset}:${value}`)
    assert.deepEqual(
      values,
      Array.from({ length: 40 }, (_, offset) => `${offset}:${offset}`),
    )
  })

test('a timestamp is found though the ranges before it move while it is looked for', async () => {
  const clock = new VirtualClock()
  // The ranges say that 5 may be found from the first one on; it is in the last.
  const { log, bytes, compact } = await slowLog(clock, 10, (offset) => (offset === 9 ? 5 : 1))
  for (let offset = 0; offset < 9; offset++)
    log.ranges.replace(offset, 1, [{ ...log.ranges.at(offset), maxTimestampMs: 5 }])
  const looking = offsetForTime(bytes, log, 5)
  await clock.run(130)
  await compact(0, 8)
  await clock.run(10_000)
  assert.equal((await looking)?.offset, 9)
})

test('an instance that was fenced does not say that a lane holds what it should not', async () => {
  const clock = new VirtualClock()
  const errors: string[] = []
  const lanes = new Lanes({
    store: {
      ...memoryStore(),
      get: () => Promise.reject(new UnavailableError('this instance slept')),
    },
    clock,
    log: Object.assign(silentLog(), { error: (_details: object, message: string) => errors.push(message) }),
    ledger: 0,
    writer: 2,
    state: emptyState(),
    isWanted: () => true,
    onFound() {},
    bodyRead() {},
  })
  lanes.wake()
  await clock.run(2_000)
  lanes.close()
  assert.deepEqual(errors, [])
})

const smallGraceMs = 20_000
const waitingBytesMax = 2 ** 20

/** An instance alone with a store, all of whose times are short. */
async function openAlone(clock: VirtualClock, bucket: MemoryBucket, fatal: string[] = []): Promise<OpenCluster> {
  let cluster: OpenCluster | undefined
  const opening = openCluster({
    store: memoryStore(bucket),
    clock,
    random: seededRandom(1),
    log: silentLog(),
    settings: {
      flushIntervalMs: 0,
      flushBytes: 2 ** 20,
      maxInflightEntries: 4,
      waitingBytesMax,
      pollIntervalMs: 100,
      snapshotEntries: 10,
      cacheBytes: 0,
      compactIntervalMs: 1_000,
      trimGraceMs: smallGraceMs,
    },
    onFatal: (error) => fatal.push(messageOf(error)),
  }).then((opened) => {
    cluster = opened
  })
  await clock.run(clock.monotonic() + 1_000, () => cluster !== undefined)
  await opening
  return cluster ?? assert.fail('it did not open')
}

test('a request that is refused because too much waits is not stored in part', async () => {
  const clock = new VirtualClock()
  const cluster = await openAlone(clock, new MemoryBucket())
  const creating = cluster.topics.create({ name: 'topic', partitionCount: 2, configs: new Map() })
  await clock.run(clock.monotonic() + 1_000)
  const topicId = (await creating).topic?.id ?? assert.fail()
  const value = Buffer.alloc(waitingBytesMax * 0.6)
  const batch = encodeBatch({ records: [{ timestampMs: 1, key: null, value, headers: [] }] })
  const both = [0, 1].map((partition) => ({ topicId, partition, batch }))
  await assert.rejects(cluster.logs.append(both), /already wait/)
  await clock.run(clock.monotonic() + 1_000)
  assert.equal(cluster.logs.offsets(topicId, 0)?.highWatermark, 0)
  const appending = cluster.logs.append(both.slice(0, 1))
  await clock.run(clock.monotonic() + 1_000)
  assert.equal((await appending)[0]?.baseOffset, 0)
})

test('the first part of a writer is found soon, though one that started after it wrote before it', async () => {
  const clock = new VirtualClock()
  const store = memoryStore()
  const first = { writer: 4, index: 1, timeMs: 1, commands: pack([]), bodyLength: 0, lanePosition: 0 }
  for (const writer of [1, 2, 3, 4, 5, 6]) await store.putIfAbsent(writerKey(0, writer), [Buffer.from('claim')])
  const lanes = new Lanes({
    store,
    clock,
    log: silentLog(),
    ledger: 0,
    writer: 3,
    state: emptyState(),
    isWanted: () => true,
    onFound() {},
    bodyRead() {},
  })
  lanes.noteWriter(6)
  lanes.wake()
  await clock.run(100)
  await store.putIfAbsent(laneKey(0, 4, 1), [encodeHead(4, [first])])
  await clock.run(1_200)
  lanes.close()
  assert.deepEqual(
    lanes.waiting().map(({ writer, index }) => [writer, index]),
    [[4, 1]],
  )
})
