import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyStore, noFaults } from '../../../tests/simulation/faulty-store.js'
import { SimulatedProcess } from '../../../tests/simulation/process.js'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { messageOf } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { batchesIn } from '../../protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../protocol/records/record.js'
import { type ClusterSettings, type OpenCluster, openCluster } from '../open-cluster.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'

const minute = 60_000
const graceMs = 20 * minute
const settings: ClusterSettings = {
  flushIntervalMs: 0,
  flushBytes: 2 ** 20,
  maxInflightEntries: 4,
  waitingBytesMax: 2 ** 24,
  pollIntervalMs: 100,
  snapshotEntries: 10,
  cacheBytes: 0,
  segmentBytes: 4_000,
  compactIntervalMs: 10_000,
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

  async open(change: Partial<ClusterSettings> = {}, wallJumpMs: () => number = () => 0): Promise<Instance> {
    const process = new SimulatedProcess(this.clock)
    const random = seededRandom(++this.#seed)
    const faults = () => ({ putMs: 20, getMs: 10, ...noFaults })
    const clock = { ...process.clock, now: () => process.clock.now() + wallJumpMs() }
    const fatal: string[] = []
    const opening = openCluster({
      store: faultyStore(memoryStore(this.bucket), { process, world: this.clock, random, faults }),
      clock,
      random,
      log: silentLog(),
      settings: { ...settings, ...change },
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

  append({ cluster }: Instance, topicId: string, value: string) {
    const record = { timestampMs: this.clock.now(), key: null, value: Buffer.from(value), headers: [] }
    return cluster.logs.append([{ topicId, partition: 0, batch: encodeBatch({ records: [record] }) }])
  }

  async topic({ cluster }: Instance, name = 'topic'): Promise<string> {
    const created = await this.await(cluster.topics.create({ name, partitionCount: 1, configs: new Map() }))
    assert.ok(created.topic)
    return created.topic.id
  }

  async values({ cluster }: Instance, topicId: string): Promise<string[]> {
    await this.await(cluster.barrier())
    const { batches } = await this.await(cluster.logs.read(topicId, 0, 0, { bytesMax: 2 ** 24 }))
    return [...batchesIn(Buffer.concat(batches))]
      .flatMap((batch) => decodeRecords(batch))
      .map(({ value }) => `${value}`)
  }

  keys(prefix: string): string[] {
    return this.bucket.sortedKeys().filter((key) => key.startsWith(prefix))
  }
}

/** An instance sleeps while another writes on, and the entry that the sleeper wants next is deleted. */
async function sleeper(change: Partial<ClusterSettings>, wallJumpMs: () => number = () => 0) {
  const world = new World()
  const awake = await world.open()
  const asleep = await world.open(change, wallJumpMs)
  const id = await world.topic(awake)
  await world.await(asleep.cluster.barrier())
  const next = asleep.cluster.ledgerSequence() + 1
  asleep.process.pause(3 * graceMs)
  const written: string[] = []
  for (let i = 0; i < 3 * graceMs; i += minute) {
    written.push(`${i}`)
    await world.await(world.append(awake, id, `${i}`))
    await world.run(minute - 1_000)
  }
  const nextKey = `ledger/0/${next.toString().padStart(20, '0')}`
  assert.deepEqual(world.keys(nextKey), [], 'what the sleeper wants next was deleted')
  return { world, awake, asleep, id, written }
}

test('a process that slept longer than the fence acknowledges nothing, and ends', async () => {
  const { world, awake, asleep, id, written } = await sleeper({})
  const outcome = world.append(asleep, id, 'too late').then(
    () => 'acknowledged',
    () => 'refused',
  )
  await assert.rejects(world.await(asleep.cluster.logs.read(id, 0, 0, { bytesMax: 1 })), /must start again/)
  assert.equal(await world.await(outcome), 'refused')
  await world.run(minute)
  assert.match(asleep.fatal[0] ?? '', /did not know the ledger's tail/)
  assert.deepEqual(await world.values(awake, id), written)
  assert.deepEqual(awake.fatal, [])
  const again = await world.open()
  assert.deepEqual(await world.values(again, id), written)
})

test('without the fence, that loses an acknowledged write: the test above can fail', async () => {
  const { world, awake, asleep, id } = await sleeper({ trimGraceMs: 1_000 * graceMs })
  const [outcome] = await world.await(world.append(asleep, id, 'too late'))
  assert.equal(outcome?.errorCode, 0)
  assert.ok(!(await world.values(awake, id)).includes('too late'))
})

test('a clock that stood still while the machine slept does not fool the fence', async () => {
  const world = new World()
  let jumpMs = 0
  const instance = await world.open({}, () => jumpMs)
  const id = await world.topic(instance)
  await world.await(world.append(instance, id, 'a'))
  jumpMs = graceMs / 4 + minute
  await assert.rejects(world.await(world.append(instance, id, 'b')), /did not know the ledger's tail/)
  await world.run(minute)
  assert.equal(instance.fatal.length, 1)
})

test('an instance that is merely idle, or cut off for less, goes on', async () => {
  const world = new World()
  const [a, b] = [await world.open(), await world.open()]
  const id = await world.topic(a)
  for (let i = 0; i < 3; i++) {
    await world.run(3 * graceMs)
    b.process.pause(graceMs / 5)
    await world.run(graceMs / 4)
    await world.await(b.cluster.barrier())
    await world.await(world.append(b, id, `${i}`))
  }
  assert.deepEqual(await world.values(a, id), ['0', '1', '2'])
  assert.deepEqual([...a.fatal, ...b.fatal], [])
})

test('what nothing refers to goes: entries, lanes, replaced and orphaned segments, deleted topics', async () => {
  const world = new World()
  const instance = await world.open()
  const { writer } = instance.cluster.proposer
  const [kept, gone] = [await world.topic(instance, 'kept'), await world.topic(instance, 'gone')]
  // What a process leaves that died after it had stored a segment, or while it waited in its lane.
  world.bucket.add(`segments/${kept}/0/0000000000000001-9`, Buffer.from('orphan'))
  world.bucket.add(`lanes/0/${`${writer}`.padStart(10, '0')}/0000000000000001`, Buffer.from('ordered long ago'))
  const unordered = `lanes/0/${`${writer}`.padStart(10, '0')}/0000000000999999`
  world.bucket.add(unordered, Buffer.from('not ordered yet'))
  const values: string[] = []
  for (let i = 0; i < 200; i++) {
    values.push(`value ${i}`)
    await world.await(world.append(instance, kept, `value ${i}`))
    await world.await(world.append(instance, gone, `value ${i}`))
    await world.run(minute)
  }
  await world.await(instance.cluster.topics.delete(gone))
  for (let i = 0; i < 30; i++) {
    values.push(`later ${i}`)
    await world.await(world.append(instance, kept, `later ${i}`))
    await world.run(4 * minute)
  }
  assert.deepEqual(world.keys(`segments/${gone}/`), [])
  assert.ok(!world.keys('segments/').some((key) => key.endsWith('-9')))
  assert.deepEqual(world.keys('lanes/'), [unordered])
  assert.ok(world.keys('ledger/').length < 90, `${world.keys('ledger/').length} entries`)
  assert.ok(world.keys('segments/').length < 12, `${world.keys('segments/').length} segments`)
  assert.deepEqual(await world.values(instance, kept), values)
  await world.await(instance.cluster.close())
  assert.deepEqual(await world.values(await world.open(), kept), values)
})

test('a start refuses a ledger whose entries are gone and covered by no snapshot', async () => {
  const world = new World()
  const instance = await world.open()
  const id = await world.topic(instance)
  for (let i = 0; i < 35; i++) await world.await(world.append(instance, id, `${i}`))
  await world.await(instance.cluster.close())
  const snapshots = world.keys('snapshots/')
  assert.equal(snapshots.length, 3)
  // A damaged newest snapshot does no harm as long as the entries are there.
  for (const key of snapshots.slice(-1)) world.bucket.objects.set(key, Buffer.from('damaged'))
  assert.equal((await world.values(await world.open(), id)).length, 35)
  for (const key of snapshots.slice(0, 2)) world.bucket.remove(key)
  assert.equal((await world.values(await world.open(), id)).length, 35)
  world.bucket.remove(world.keys('ledger/')[0] ?? '')
  await assert.rejects(world.open(), /are missing, and no usable snapshot covers them/)
})
