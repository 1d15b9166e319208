import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instance } from '../../../tests/support/simulated-instances.js'
import { StoredCluster } from '../../../tests/support/stored-cluster.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { MemoryBucket } from '../store/memory.js'
import { Steering } from './steering.js'

const ledgers = 3
const newWorld = () => new StoredCluster(new MemoryBucket(), 0, ledgers)

/** An instance that announces itself. */
async function steered(world: StoredCluster, port: number): Promise<Instance & { steering: Steering }> {
  const instance = await world.open()
  const { process, cluster } = instance
  const { proposer } = cluster
  const { clock } = process
  const steering = new Steering({ proposer, ledgers, clock, random: seededRandom(port), log: silentLog() })
  await world.await(steering.begin({ host: 'gateway.example', port, rack: null }))
  return { ...instance, steering }
}

const ports = (steering: Steering) => steering.brokers().map(({ port }) => port)

test('all instances tell clients of all, and of the same leaders', async () => {
  const world = newWorld()
  const instances = [await steered(world, 1), await steered(world, 2), await steered(world, 3)] as const
  await world.run(3_000)
  for (const { steering } of instances) assert.deepEqual(ports(steering), [1, 2, 3])
  const names = Array.from({ length: 30 }, (_, i) => i)
  const told = instances.map(({ steering }) => {
    const brokers = steering.brokers()
    return [
      names.map((partition) => steering.leaderOf(brokers, 'a topic', partition)),
      names.map((i) => steering.coordinatorOf(brokers, `group ${i}`)),
      steering.controllerOf(brokers),
    ]
  })
  assert.deepEqual(told[1], told[0])
  assert.deepEqual(told[2], told[0])
  const leaders = told[0]?.[0] as number[]
  // As many instances as ledgers: each has the partitions of one.
  assert.equal(new Set(leaders).size, 3)
  for (const partition of names) assert.equal(leaders[partition], leaders[partition % ledgers])
})

test('clients are not sent to an instance that died, 15 seconds later; nor to one that ends, from then on', async () => {
  const world = newWorld()
  const [a, b, c] = [await steered(world, 1), await steered(world, 2), await steered(world, 3)]
  await world.run(60_000)
  assert.deepEqual(ports(a.steering), [1, 2, 3])
  b.process.crash()
  await world.run(8_000)
  assert.deepEqual(ports(a.steering), [1, 2, 3])
  await world.run(8_500)
  assert.deepEqual(ports(a.steering), [1, 3])
  await world.await(c.steering.withdraw())
  await world.await(a.cluster.topics.barrier())
  assert.deepEqual(ports(a.steering), [1])
  assert.deepEqual(ports(c.steering), [1])
})

test('a process that starts anew at the same address takes the place of the one before', async () => {
  const world = newWorld()
  const a = await steered(world, 1)
  const first = await steered(world, 2)
  first.process.crash()
  const second = await steered(world, 2)
  assert.notEqual(second.steering.nodeId, first.steering.nodeId)
  await world.await(a.cluster.topics.barrier())
  assert.deepEqual(
    a.steering.brokers().map(({ nodeId }) => nodeId),
    [a.steering.nodeId, second.steering.nodeId],
  )
})

test('one that slept, and one that begins, know at once who is there', async () => {
  const world = newWorld()
  const [a, gone] = [await steered(world, 1), await steered(world, 2)]
  await world.await(gone.cluster.close())
  const b = await steered(world, 3)
  const dead = await steered(world, 4)
  dead.process.crash()
  await world.run(20_000)
  a.process.pause(100_000)
  await world.run(100_010)
  await world.await(a.cluster.topics.barrier())
  assert.deepEqual(ports(a.steering), [1, 3])
  await world.run(6_000)
  const late = await steered(world, 5)
  assert.deepEqual(ports(late.steering), [1, 3, 5])
  await world.await(b.cluster.topics.barrier())
  assert.deepEqual(ports(b.steering), [1, 3, 5])
})

test('an instance does not wait for a store that is away before it ends', async () => {
  const world = newWorld()
  const { steering, cluster, process } = await steered(world, 1)
  const { proposer } = cluster
  const silent = new Steering({
    proposer: {
      ...proposer,
      state: proposer.state,
      writer: 9,
      listen: () => () => {},
      propose: () => new Promise(() => {}),
    } as typeof proposer,
    ledgers,
    clock: process.clock,
    random: seededRandom(1),
    log: silentLog(),
  })
  const since = world.clock.monotonic()
  await world.await(silent.withdraw())
  assert.ok(world.clock.monotonic() - since < 2_500)
  await world.await(steering.withdraw())
})
