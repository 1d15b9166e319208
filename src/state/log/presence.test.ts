import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyStore, noFaults } from '../../../tests/simulation/faulty-store.js'
import { SimulatedProcess } from '../../../tests/simulation/process.js'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { messageOf, StoreError } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { encodeBatch } from '../../protocol/records/record.js'
import { laneKey, probeKey } from '../ledger/keys.js'
import { checkStore } from '../ledger/probe.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../open-cluster.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'

const minute = 60_000
const graceMs = 20 * minute
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 1_000,
  snapshotEntries: 10,
  cacheBytes: 0,
  segmentBytes: 4_000,
  compactIntervalMs: 30_000,
  compactAgeMs: 5 * minute,
  trimGraceMs: graceMs,
}

interface Instance {
  process: SimulatedProcess
  cluster: OpenCluster
  fatal: string[]
}

class World {
  readonly clock = new VirtualClock()
  readonly bucket = new MemoryBucket()
  #seed = 0

  async open(change: (store: ObjectStore) => ObjectStore = (store) => store): Promise<Instance> {
    const process = new SimulatedProcess(this.clock)
    const random = seededRandom(++this.#seed)
    const faults = () => ({ putMs: 20, getMs: 10, ...noFaults })
    const fatal: string[] = []
    const opening = openCluster({
      store: change(faultyStore(memoryStore(this.bucket), { process, world: this.clock, random, faults })),
      clock: process.clock,
      random,
      log: silentLog(),
      settings,
      onFatal: (error) => fatal.push(messageOf(error)),
    })
    return { process, cluster: await this.await(opening), fatal }
  }

  await<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntilSettled(promise, 100 * minute)
  }

  run(ms: number): Promise<unknown> {
    return this.clock.run(this.clock.monotonic() + ms)
  }

  async append({ cluster }: Instance, topicId: string): Promise<number> {
    const record = { timestampMs: this.clock.now(), key: null, value: Buffer.from('value'), headers: [] }
    const batch = encodeBatch({ records: [record] })
    const [outcome] = await this.await(cluster.logs.append([{ topicId, partition: 0, batch }]))
    return outcome?.baseOffset ?? -1
  }

  async topic({ cluster }: Instance): Promise<string> {
    const created = await this.await(cluster.topics.create({ name: 'topic', partitionCount: 1, configs: new Map() }))
    assert.ok(created.topic)
    return created.topic.id
  }

  keys(prefix: string): string[] {
    return this.bucket.sortedKeys().filter((key) => key.startsWith(prefix))
  }
}

test('of processes that came and went for hours no more is left than of those of the last one', async () => {
  const world = new World()
  const lasting = await world.open()
  const id = await world.topic(lasting)
  const starts: number[] = []
  for (let i = 0; i < 60; i++) {
    const short = await world.open()
    starts.push(short.cluster.proposer.writer)
    await world.append(short, id)
    // What it left in its lane beyond a hole when it died.
    const leftover = laneKey(0, short.cluster.proposer.writer, 1_000)
    await world.await(memoryStore(world.bucket).putIfAbsent(leftover, [Buffer.from('part')]))
    // What a start leaves that dies while it tries out the store.
    const kept = { ...memoryStore(world.bucket), delete: () => Promise.resolve() }
    await world.await(checkStore(kept, seededRandom(i)))
    if (i % 2 === 0) short.process.crash()
    else await world.await(short.cluster.close())
    await world.run(5 * minute)
  }
  assert.equal(new Set(starts).size, 60, 'no number was given twice')
  assert.ok(starts.every((writer, i) => writer > (starts[i - 1] ?? 0)))
  await world.run(2 * graceMs)
  const { writers } = lasting.cluster.proposer.state
  assert.deepEqual([...writers.all()], [lasting.cluster.proposer.writer])
  assert.equal(writers.newFrom, (starts.at(-1) ?? 0) + 1)
  await world.run(2 * graceMs)
  assert.deepEqual(world.keys('lanes/'), [])
  const highest = probeKey(starts.at(-1) ?? 0, '')
  assert.ok(
    world.keys('probe/').every((key) => key.startsWith(highest)),
    `${world.keys('probe/').length} objects are left of starts that died`,
  )
  assert.equal(world.keys('writers/').length, 2, 'that of who is there, and the highest')
  const next = await world.open()
  assert.equal(next.cluster.proposer.writer, (starts.at(-1) ?? 0) + 1)
  assert.equal(await world.append(next, id), 60)
  assert.deepEqual([...lasting.fatal, ...next.fatal], [])
})

test('an instance that has nothing to write stays, and costs few entries', async () => {
  const world = new World()
  const idle = await world.open()
  const other = await world.open()
  const id = await world.topic(other)
  const before = other.cluster.ledgerSequence()
  await world.run(10 * graceMs)
  assert.deepEqual([...idle.fatal, ...other.fatal], [])
  const entries = other.cluster.ledgerSequence() - before
  assert.ok(entries < 2 * 10 * 11, `${entries} entries`)
  assert.equal(await world.append(idle, id), 0)
  assert.equal(await world.append(other, id), 1)
})

test('an instance that is forgotten though it lives acknowledges nothing more, and ends', async () => {
  const world = new World()
  const [well, lost] = [await world.open(), await world.open()]
  const id = await world.topic(well)
  assert.equal(await world.append(lost, id), 0)
  const { proposer } = lost.cluster
  const lastIndex = proposer.state.writers.lastIndex(proposer.writer)
  await world.await(well.cluster.proposer.propose('forgetWriters', { writers: [[proposer.writer, lastIndex]] }))
  const forgotten = await world.append(lost, id).catch(() => 'refused')
  await world.run(minute)
  assert.equal(forgotten, 'refused')
  assert.match(lost.fatal.join(), /forgot/)
  assert.equal(await world.append(well, id), 1, 'what was refused is not there')
})

test('an instance that can read but not write is forgotten, acknowledges nothing more, and ends', async () => {
  const world = new World()
  const well = await world.open()
  const id = await world.topic(well)
  let isReadOnly = false
  const mute = await world.open((store) => ({
    ...store,
    putIfAbsent: (key, body) =>
      isReadOnly
        ? Promise.reject(new StoreError('no permission to write', { key, retry: true }))
        : store.putIfAbsent(key, body),
  }))
  await world.append(mute, id)
  isReadOnly = true
  const record = { timestampMs: 0, key: null, value: Buffer.from('too late'), headers: [] }
  const outcome = mute.cluster.logs
    .append([{ topicId: id, partition: 0, batch: encodeBatch({ records: [record] }) }])
    .then(
      () => 'acknowledged',
      () => 'refused',
    )
  await world.run(2 * graceMs)
  assert.equal(well.cluster.proposer.state.writers.isForgotten(mute.cluster.proposer.writer), true)
  assert.equal(mute.fatal.length, 1)
  isReadOnly = false
  await world.run(graceMs)
  assert.equal(await outcome, 'refused')
  assert.equal(await world.append(well, id), 1, 'what was refused is not there')
})

test('all that is old goes also where nobody lives for longer than a quarter of the grace period', async () => {
  const world = new World()
  let older = await world.open()
  const id = await world.topic(older)
  const starts = 60
  for (let i = 0; i < starts; i++) {
    const younger = await world.open()
    if (i % 2 === 0) older.process.crash()
    else await world.await(older.cluster.close())
    older = younger
    for (let second = 0; second < graceMs / 4_000; second += 10) {
      await world.append(older, id)
      await world.run(10_000)
    }
  }
  const { writers } = older.cluster.proposer.state
  // Of each life a half is lost to the clock.
  const perGrace = 2 * 4
  assert.ok(writers.size < 2 * perGrace, `${writers.size} writers are known`)
  assert.ok(world.keys('writers/').length < 3.5 * perGrace, `${world.keys('writers/').length} claims`)
  assert.ok(world.keys('ledger/').length < 400, `${world.keys('ledger/').length} entries`)
  assert.equal(older.cluster.logs.offsets(id, 0)?.highWatermark, starts * 30)
  assert.deepEqual(older.fatal, [])
})
