import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyStore, noFaults } from '../../../tests/simulation/faulty-store.js'
import { SimulatedProcess } from '../../../tests/simulation/process.js'
import { StoredCluster } from '../../../tests/support/stored-cluster.js'
import { seededRandom } from '../../base/random.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { MemoryBucket } from '../store/memory.js'
import { verifyCluster } from '../verify/verify.js'
import { emptyState, type State } from '../views/state.js'
import { copyCluster } from './copy.js'
import { Moment } from './moment.js'

const ledgers = 3
const signal = new AbortController().signal
const newWorld = () => new StoredCluster(new MemoryBucket(), 0, ledgers)

test('a copy holds the same records of all ledgers, and lives on', async () => {
  const from = newWorld()
  const { id, values } = await from.fill()
  const to = newWorld()
  const copying = copyCluster({ from: from.store, to: to.store, clock: from.clock, random: seededRandom(1), signal })
  const result = await from.await(copying)
  assert.equal(result?.lastSequences?.length, ledgers)
  assert.deepEqual(result.damages, [])
  const found = await to.await(verifyCluster({ store: to.store, clock: to.clock, isQuick: false, signal }))
  assert.deepEqual([found?.damages, found?.orphans], [[], []])
  const instance = await to.open()
  for (const [partition, expected] of values.entries())
    assert.deepEqual(await to.values(instance, id, partition), expected)
  const next = await to.topic(instance, 'next', 6)
  for (let partition = 0; partition < 6; partition++) await to.await(to.append(instance, next, partition, 'goes on'))
})

test('a copy that is made while the ledgers go on is of one moment', async () => {
  const from = newWorld()
  const instance = await from.open()
  const { cluster } = instance
  const id = await from.topic(instance, 'orders', 6)
  const groupOf = (partition: number) => `group ${partition}`
  const commit = (partition: number, offset: number) =>
    cluster.pipelineOffsets.commit(groupOf(partition), 'orders', new Map([[partition, offset]]))
  let isCopied = false
  const work = async (partition: number) => {
    for (let i = 1; !isCopied; i++) {
      await from.append(instance, id, partition, `${i}`)
      assert.ok(await commit(partition, i))
      await from.clock.sleep(150)
    }
  }
  const change = async () => {
    for (let i = 0; !isCopied; i++) {
      const { topic } = await cluster.topics.create({ name: `topic ${i}`, partitionCount: 4, configs: new Map() })
      if (i % 2 === 0) await cluster.topics.delete(topic?.id ?? '')
      await from.clock.sleep(700)
    }
  }
  const working = [0, 1, 2, 3, 4, 5].map(work)
  working.push(change())
  await from.run(20_000)

  const to = newWorld()
  const process = new SimulatedProcess(from.clock)
  const slow = {
    process,
    world: from.clock,
    random: seededRandom(2),
    faults: () => ({ putMs: 30, getMs: 20, ...noFaults }),
  }
  const copying = copyCluster({
    from: faultyStore(from.store, slow),
    to: faultyStore(to.store, slow),
    clock: from.clock,
    random: seededRandom(1),
    signal,
  })
  assert.ok(await from.await(copying))
  isCopied = true
  await from.await(Promise.all(working))

  const found = await to.await(verifyCluster({ store: to.store, clock: to.clock, isQuick: false, signal }))
  assert.deepEqual(found?.damages, [])
  const copy = await to.open()
  await to.await(copy.cluster.barrier())
  for (let partition = 0; partition < 6; partition++) {
    const committed = await to.await(copy.cluster.pipelineOffsets.committed(groupOf(partition), 'orders', partition))
    const { highWatermark = 0 } = copy.cluster.logs.offsets(id, partition) ?? {}
    assert.ok(highWatermark > 50, `${highWatermark} records of partition ${partition}`)
    assert.ok((committed?.offset ?? 0) <= highWatermark, `${committed?.offset} was read of ${highWatermark}`)
  }
  for (const topic of copy.cluster.topics.all())
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const [outcome] = await to.await(to.append(copy, topic.id, partition, 'here'))
      assert.equal(outcome?.errorCode, ErrorCode.NONE)
    }
})

test('a ledger goes on until it has what others know of, but not for what it never had', () => {
  const states: State[] = [emptyState(), emptyState()]
  const [home, other] = states as [State, State]
  const moment = new Moment()
  const behind = () => [...moment.behind(states).keys()].sort((a, b) => a - b)
  assert.deepEqual(behind(), [])
  other.topics.version = 7
  assert.deepEqual(behind(), [0])
  home.topics.version = 9
  assert.deepEqual(behind(), [])
  const topic = { name: 'orders', id: 'an id', partitionCount: 2, configs: new Map(), createdAtMs: 0 }
  for (const { topics, partitions } of states) {
    topics.put(topic)
    partitions.extend('an id', 2)
  }
  other.groups.ensure('group', { position: 1, timeMs: 0, writer: 1, body: { writer: 0, number: 1, position: 0 } })
  const stored = { offset: 3, leaderEpoch: -1, metadata: '', committedAtMs: 0, position: 1, writer: 1 }
  for (const partition of [0, 1]) other.offsets.put('group', 'orders', partition, stored)
  assert.deepEqual(behind(), [0, 1])
  // It was asked to go on, and has come to no such record: the group commits what it likes.
  assert.deepEqual(behind(), [])
})
