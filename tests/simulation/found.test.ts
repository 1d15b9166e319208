import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { batchesIn, patchInPlace } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import type { Lease } from '../../src/state/cluster.js'
import { leases } from '../../src/state/groups/leases.js'
import { encodeHead } from '../../src/state/ledger/entry.js'
import { Fence } from '../../src/state/ledger/fence.js'
import { Fold } from '../../src/state/ledger/fold.js'
import { Follower } from '../../src/state/ledger/follower.js'
import { entryKey, objectKey } from '../../src/state/ledger/keys.js'
import { noLedgerObserver } from '../../src/state/ledger/observer.js'
import type { Proposer } from '../../src/state/ledger/proposer.js'
import { LogBytes } from '../../src/state/log/log-bytes.js'
import { readBatches } from '../../src/state/log/reader.js'
import { RecentBytes } from '../../src/state/log/recent-bytes.js'
import { memoryStore } from '../../src/state/store/memory.js'
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
    isPutting: (sequence) => sequence === 2 && isPutting,
    bodyRead() {},
    onFatal: assert.fail,
  })
  follower.start()
  await clock.run(1_000)
  assert.equal(fold.next, 2)
  assert.equal(follower.tailAgeMs(), Number.POSITIVE_INFINITY)
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
  const bytes = new LogBytes({
    tail: store,
    backfill: store,
    ledger: 0,
    cacheBytes: 1_000,
    observer: { lookedUp() {} },
  })
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
  const bytes = new LogBytes({
    tail: store,
    backfill: store,
    ledger: 0,
    cacheBytes: 1_000,
    observer: { lookedUp() {} },
  })
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
