import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instance } from '../../tests/support/simulated-instances.js'
import { StoredCluster } from '../../tests/support/stored-cluster.js'
import { OverloadedError } from '../base/errors.js'
import { silentLog } from '../base/log.js'
import { seededRandom } from '../base/random.js'
import { ErrorCode } from '../protocol/error-codes.js'
import { encodeBatch } from '../protocol/records/record.js'
import type { Coordinator } from './groups/coordinator.js'
import { LedgerCountError, openIdentity } from './ledger/identity.js'
import { clusterKey } from './ledger/keys.js'
import { ledgerOfGroup, ledgerOfPartition } from './routing.js'
import { MemoryBucket, memoryStore } from './store/memory.js'

const ledgers = 3
const minute = 60_000
const newWorld = () => new StoredCluster(new MemoryBucket(), 0, ledgers)

const limits = {
  groupMinSessionTimeoutMs: 1_000,
  groupMaxSessionTimeoutMs: 60_000,
  groupInitialRebalanceDelayMs: 0,
  groupMaxSize: 100,
  offsetsRetentionMinutes: 10_080,
  offsetMetadataBytesMax: 4_096,
}

function groupsOf({ process, cluster }: Instance): Coordinator {
  return cluster.openGroups({ clock: process.clock, random: seededRandom(1), log: silentLog(), limits })
}

function commit(groups: Coordinator, groupId: string, name: string, offset: number): Promise<ErrorCode[][]> {
  const partitions = [{ partition: 0, offset, leaderEpoch: -1, metadata: null }]
  const topics = [{ name, id: null, partitions }]
  return groups.commitOffsets({ groupId, memberId: '', groupInstanceId: null, generationId: -1, topics })
}

const groupNames = Array.from({ length: 8 }, (_, i) => `group ${i}`)
const committed = (groups: Coordinator, groupId: string, name: string) =>
  groups.fetchOffsets(groupId, [{ name, partitions: [0] }])

test('records of all partitions are there for all instances, and after a restart', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  const id = await world.topic(a, 'orders', 8)
  assert.equal(new Set([0, 1, 2, 3, 4, 5, 6, 7].map((each) => ledgerOfPartition(id, each, ledgers))).size, ledgers)
  for (let i = 0; i < 32; i++) await world.await(world.append(i % 3 === 0 ? a : b, id, i % 8, `value ${i}`))
  const expected = (partition: number) => [0, 8, 16, 24].map((i) => `value ${i + partition}`)
  for (const instance of [a, b])
    for (let partition = 0; partition < 8; partition++)
      assert.deepEqual(await world.values(instance, id, partition), expected(partition))
  for (const { cluster } of [a, b]) await world.await(cluster.close())
  const again = await world.open()
  for (let partition = 0; partition < 8; partition++)
    assert.deepEqual(await world.values(again, id, partition), expected(partition))
  for (let number = 0; number < ledgers; number++) assert.ok(world.keys(`ledger/${number}/`).length > 3)
})

test('batches of one request go to several ledgers, and their outcomes come as they were given', async () => {
  const world = newWorld()
  const { cluster } = await world.open()
  const id = await world.topic({ cluster } as Instance, 'orders', 6)
  const batch = encodeBatch({ records: [{ timestampMs: 1, key: null, value: Buffer.from('x'), headers: [] }] })
  const partitions = [3, 0, 5, 0, 1, 99, 4, 2, 0]
  const outcomes = await world.await(
    cluster.logs.append(partitions.map((partition) => ({ topicId: id, partition, batch }))),
  )
  assert.deepEqual(
    outcomes.map(({ errorCode, baseOffset }) => (errorCode === ErrorCode.NONE ? baseOffset : -errorCode)),
    [0, 0, 0, 1, 0, -ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0, 0, 2],
  )
  assert.deepEqual(await world.await(cluster.logs.append([])), [])
})

test('who waits for partitions of several ledgers is woken by each', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  const id = await world.topic(a, 'orders', 3)
  await world.await(b.cluster.barrier())
  let wakes = 0
  const watched = [0, 1, 2].map((partition) => ({ topicId: id, partition }))
  const stop = b.cluster.logs.watch(watched, () => wakes++)
  for (let partition = 0; partition < 3; partition++) {
    await world.await(world.append(a, id, partition, 'x'))
    await world.run(1_000)
    assert.equal(wakes, partition + 1)
  }
  stop()
  await world.await(world.append(a, id, 0, 'x'))
  await world.run(1_000)
  assert.equal(wakes, 3)
})

/** Has a topic created, and the instance die as soon as the home ledger has it. */
async function createHalf(world: StoredCluster, instance: Instance, name: string): Promise<void> {
  void instance.cluster.topics.create({ name, partitionCount: 6, configs: new Map() })
  while (instance.cluster.topics.byName(name) === undefined) await world.run(1)
  instance.process.crash()
  const id = instance.cluster.topics.byName(name)?.id ?? ''
  for (const { state } of instance.cluster.proposers.slice(1)) assert.equal(state.topics.byId(id), undefined)
}

test('a topic that its creator could not tell all ledgers of is there as soon as somebody needs it', async () => {
  for (const need of ['append', 'barrier', 'commit', 'records'] as const) {
    const world = newWorld()
    const [a, b] = [await world.open(), await world.open()]
    const groups = groupsOf(b)
    await createHalf(world, a, 'orders')
    await world.await(b.cluster.topics.barrier())
    const id = b.cluster.topics.byName('orders')?.id ?? ''
    const since = world.clock.monotonic()
    if (need === 'append') {
      // In the order in which they came, though the first have to wait.
      const appends = Array.from({ length: 600 }, (_, i) => world.append(b, id, i % 6, `${Math.floor(i / 6)}`))
      const expected = Array.from({ length: 100 }, (_, i) => `${i}`)
      for (const [outcome] of await world.await(Promise.all(appends))) assert.equal(outcome?.errorCode, ErrorCode.NONE)
      for (let partition = 0; partition < 6; partition++)
        assert.deepEqual(await world.values(b, id, partition), expected)
    }
    if (need === 'barrier') {
      await world.await(b.cluster.barrier())
      for (let partition = 0; partition < 6; partition++)
        assert.equal(b.cluster.logs.offsets(id, partition)?.highWatermark, 0)
    }
    if (need === 'commit')
      for (const groupId of groupNames)
        assert.deepEqual(await world.await(commit(groups, groupId, 'orders', 0)), [[ErrorCode.NONE]])
    if (need === 'records')
      for (let partition = 0; partition < 6; partition++)
        assert.deepEqual(await world.await(b.cluster.logs.deleteRecords(id, partition, -1)), {
          errorCode: ErrorCode.NONE,
          logStartOffset: 0,
        })
    assert.ok(world.clock.monotonic() - since < 1_000)
    groups.close()
  }
})

test('what nobody asks for is put right some seconds later, by any instance', async () => {
  const world = newWorld()
  const [a, b, c] = [await world.open(), await world.open(), await world.open()]
  await createHalf(world, a, 'orders')
  await world.run(6_000)
  const holds = (instance: Instance, name: string) =>
    instance.cluster.proposers.every(({ state }) => state.topics.byName(name) !== undefined)
  assert.ok(holds(b, 'orders') && holds(c, 'orders'))
  const id = b.cluster.topics.byName('orders')?.id ?? ''
  void c.cluster.topics.delete(id)
  while (c.cluster.topics.byId(id) !== undefined) await world.run(1)
  c.process.crash()
  const late = await world.open()
  await world.run(6_000)
  for (const { cluster } of [b, late])
    for (const { state } of cluster.proposers) assert.equal(state.topics.byId(id), undefined)
})

test('a name is free as soon as its topic is deleted, whatever the other ledgers know', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  const groups = groupsOf(b)
  const first = await world.topic(a, 'orders', 6)
  for (let partition = 0; partition < 6; partition++) await world.await(world.append(a, first, partition, 'old'))
  for (const groupId of groupNames) await world.await(commit(groups, groupId, 'orders', 1))
  void a.cluster.topics.delete(first)
  while (a.cluster.topics.byId(first) !== undefined) await world.run(1)
  a.process.crash()
  await world.await(b.cluster.topics.barrier())
  const second = await world.topic(b, 'orders', 6)
  for (let partition = 0; partition < 6; partition++) {
    const [refused] = await world.await(world.append(b, first, partition, 'late'))
    assert.equal(refused?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await world.await(world.append(b, second, partition, 'new'))
    assert.deepEqual(await world.values(b, second, partition), ['new'])
  }
  for (const groupId of groupNames) {
    const { topics } = await world.await(committed(groups, groupId, 'orders'))
    assert.equal(topics[0]?.partitions[0]?.offset, -1)
  }
  groups.close()
})

test('more partitions are in all ledgers when it is said that they are there', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  const id = await world.topic(a, 'orders', 1)
  const grown = await world.await(b.cluster.topics.createPartitions(id, 7))
  assert.equal(grown.topic?.partitionCount, 7)
  await world.await(a.cluster.barrier())
  for (let partition = 0; partition < 7; partition++)
    assert.equal(a.cluster.logs.offsets(id, partition)?.highWatermark, 0)
  assert.equal(a.cluster.logs.offsets(id, 7), undefined)
})

test('groups are each in one ledger, and are found, listed and deleted wherever they are', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  const [here, there] = [groupsOf(a), groupsOf(b)]
  await world.topic(a, 'orders', 1)
  assert.equal(new Set(groupNames.map((groupId) => ledgerOfGroup(groupId, ledgers))).size, ledgers)
  for (const [i, groupId] of groupNames.entries()) await world.await(commit(here, groupId, 'orders', i))
  for (const [i, groupId] of groupNames.entries()) {
    const { topics } = await world.await(committed(there, groupId, 'orders'))
    assert.equal(topics[0]?.partitions[0]?.offset, i)
  }
  const { groups } = await world.await(there.list([], []))
  assert.deepEqual(groups.map(({ groupId }) => groupId).sort(), groupNames)
  const described = await world.await(there.describe(['nobody', ...groupNames]))
  assert.deepEqual(
    described.map(({ groupId, groupState }) => `${groupId}: ${groupState}`),
    ['nobody: Dead', ...groupNames.map((groupId) => `${groupId}: Empty`)],
  )
  const codes = await world.await(here.delete([...groupNames.slice(0, 4), 'nobody']))
  assert.deepEqual(codes, [0, 0, 0, 0, ErrorCode.GROUP_ID_NOT_FOUND])
  assert.equal((await world.await(there.list([], []))).groups.length, 4)
  for (const each of [here, there]) each.close()
})

test('a lease is in the ledger of its group, so that who lost it cannot commit', async () => {
  const world = newWorld()
  const [a, b] = [await world.open(), await world.open()]
  await world.topic(a, 'orders', 1)
  const never = new AbortController().signal
  for (const groupId of groupNames) {
    const name = `lease of ${groupId}`
    const lease = await world.await(a.cluster.leases.acquire(name, never, groupId))
    const write = (offset: number, by = lease) =>
      world.await(a.cluster.pipelineOffsets.commit(groupId, 'orders', new Map([[0, offset]]), by))
    assert.equal(await write(5), true)
    await world.await(lease.release())
    const next = await world.await(b.cluster.leases.acquire(name, never, groupId))
    assert.equal(await write(6), false)
    assert.equal((await world.await(b.cluster.pipelineOffsets.committed(groupId, 'orders', 0)))?.offset, 5)
    await world.await(next.release())
  }
})

test('records move into segments and old objects go, and no ledger takes those of another for garbage', async () => {
  const world = newWorld()
  const { id, values } = await world.fill()
  const instance = await world.open()
  await world.run(300 * minute)
  for (const [partition, expected] of values.entries())
    assert.deepEqual(await world.values(instance, id, partition), expected)
  for (const partition of [0, 1, 2]) assert.ok(world.keys(`segments/${id}/${partition}/`).length > 0)
  const entries = [0, 1, 2].map((number) => world.keys(`ledger/${number}/`).length)
  for (const count of entries) assert.ok(count < 60, `${entries}`)
})

test('records that wait to be stored are bounded for the process, not for each ledger', async () => {
  const world = newWorld()
  const instance = await world.open()
  const id = await world.topic(instance, 'orders', 3)
  const large = encodeBatch({
    records: [{ timestampMs: 1, key: null, value: Buffer.alloc(6 * 2 ** 20), headers: [] }],
  })
  const append = (partition: number) => instance.cluster.logs.append([{ topicId: id, partition, batch: large }])
  const both = Promise.all([append(0), append(1)])
  await assert.rejects(append(2), OverloadedError)
  await world.await(both)
  await world.await(append(2))
})

test('a cluster keeps the number of ledgers that it was made with', async () => {
  const store = memoryStore(new MemoryBucket())
  const random = seededRandom(1)
  const made = await openIdentity(store, random, 4)
  assert.deepEqual([made.ledgers, made.format], [4, 2])
  assert.equal((await openIdentity(store, random, undefined)).ledgers, 4)
  await assert.rejects(openIdentity(store, random, 2), (error: unknown) => {
    assert.ok(error instanceof LedgerCountError)
    assert.match(error.message, /was made with 4 ledgers, not 2/)
    return error.ledgers === 4
  })
  const old = memoryStore(new MemoryBucket())
  await old.putIfAbsent(clusterKey, [Buffer.from('{"clusterId":"a cluster","format":1}\n')])
  assert.equal((await openIdentity(old, random, undefined)).ledgers, 1)
  await assert.rejects(openIdentity(old, random, 3), LedgerCountError)
  const bad = memoryStore(new MemoryBucket())
  await bad.putIfAbsent(clusterKey, [Buffer.from('{"clusterId":"a cluster","format":2,"ledgers":65}\n')])
  await assert.rejects(openIdentity(bad, random, undefined), /no number of ledgers from 1 to 64/)
})

test('if one ledger cannot be opened, the others are closed again', async () => {
  const world = newWorld()
  const first = await world.open()
  await world.await(first.cluster.close())
  const damaged = 'snapshots/2/00000000000000000099'
  await world.store.putIfAbsent(damaged, [Buffer.from('not a snapshot')])
  await assert.rejects(world.open(), /entries/)
  await world.store.delete([damaged])
  const { cluster } = await world.open()
  const writers = cluster.proposers.map(({ writer, state }) => [writer, state.writers.isRetired(writer - 1)])
  assert.deepEqual(writers, [
    [3, true],
    [3, true],
    [2, true],
  ])
})
