import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedInstances } from '../../../tests/support/simulated-instances.js'
import type { ClusterSettings } from '../open-cluster.js'

const minute = 60_000
const graceMs = 20 * minute
/** An instance sleeps while another writes on, and the entry that the sleeper wants next is deleted. */
async function sleeper(change: Partial<ClusterSettings>, wallJumpMs: () => number = () => 0) {
  const world = new SimulatedInstances()
  const awake = await world.open()
  const asleep = await world.open({ settings: change, wallJumpMs })
  const id = await world.topic(awake)
  await world.await(asleep.cluster.barrier())
  const next = asleep.cluster.ledgerSequence() + 1
  asleep.process.pause(3 * graceMs)
  const written: string[] = []
  for (let i = 0; i < 3 * graceMs; i += minute) {
    written.push(`${i}`)
    await world.await(world.append(awake, id, 0, `${i}`))
    await world.run(minute - 1_000)
  }
  const nextKey = `ledger/0/${next.toString().padStart(20, '0')}`
  assert.deepEqual(world.keys(nextKey), [], 'what the sleeper wants next was deleted')
  return { world, awake, asleep, id, written }
}

test('a process that slept longer than the fence acknowledges nothing, and ends', async () => {
  const { world, awake, asleep, id, written } = await sleeper({})
  const outcome = world.append(asleep, id, 0, 'too late').then(
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
  const [outcome] = await world.await(world.append(asleep, id, 0, 'too late'))
  assert.equal(outcome?.errorCode, 0)
  assert.ok(!(await world.values(awake, id)).includes('too late'))
})

test('a clock that stood still while the machine slept does not fool the fence', async () => {
  const world = new SimulatedInstances()
  let jumpMs = 0
  const instance = await world.open({ wallJumpMs: () => jumpMs })
  const id = await world.topic(instance)
  await world.await(world.append(instance, id, 0, 'a'))
  jumpMs = graceMs / 4 + minute
  await assert.rejects(world.await(world.append(instance, id, 0, 'b')), /did not know the ledger's tail/)
  await world.run(minute)
  assert.equal(instance.fatal.length, 1)
})

test('an instance that is merely idle, or cut off for less, goes on', async () => {
  const world = new SimulatedInstances()
  const [a, b] = [await world.open(), await world.open()]
  const id = await world.topic(a)
  for (let i = 0; i < 3; i++) {
    await world.run(3 * graceMs)
    b.process.pause(graceMs / 5)
    await world.run(graceMs / 4)
    await world.await(b.cluster.barrier())
    await world.await(world.append(b, id, 0, `${i}`))
  }
  assert.deepEqual(await world.values(a, id), ['0', '1', '2'])
  assert.deepEqual([...a.fatal, ...b.fatal], [])
})

test('what nothing refers to goes: entries, lanes, replaced and orphaned segments, deleted topics', async () => {
  const world = new SimulatedInstances()
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
    await world.await(world.append(instance, kept, 0, `value ${i}`))
    await world.await(world.append(instance, gone, 0, `value ${i}`))
    await world.run(minute)
  }
  await world.await(instance.cluster.topics.delete(gone))
  for (let i = 0; i < 30; i++) {
    values.push(`later ${i}`)
    await world.await(world.append(instance, kept, 0, `later ${i}`))
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
  const world = new SimulatedInstances()
  const instance = await world.open()
  const id = await world.topic(instance)
  for (let i = 0; i < 35; i++) await world.await(world.append(instance, id, 0, `${i}`))
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
