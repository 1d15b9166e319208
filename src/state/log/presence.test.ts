import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Instance, SimulatedInstances } from '../../../tests/support/simulated-instances.js'
import { StoreError } from '../../base/errors.js'
import { seededRandom } from '../../base/random.js'
import { encodeBatch } from '../../protocol/records/record.js'
import { laneKey, probeKey } from '../ledger/keys.js'
import { checkStore } from '../ledger/probe.js'
import { memoryStore } from '../store/memory.js'

const minute = 60_000
const graceMs = 20 * minute
const newWorld = () => new SimulatedInstances({ settings: { pollIntervalMs: 1_000, compactIntervalMs: 30_000 } })

/** The offset of a record that is appended. */
async function appended(world: SimulatedInstances, instance: Instance, topicId: string): Promise<number> {
  const [outcome] = await world.await(world.append(instance, topicId, 0, 'value'))
  return outcome?.baseOffset ?? -1
}

test('of processes that came and went for hours no more is left than of those of the last one', async () => {
  const world = newWorld()
  const lasting = await world.open()
  const id = await world.topic(lasting)
  const starts: number[] = []
  for (let i = 0; i < 60; i++) {
    const short = await world.open()
    starts.push(short.cluster.proposer.writer)
    await appended(world, short, id)
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
  assert.equal(await appended(world, next, id), 60)
  assert.deepEqual([...lasting.fatal, ...next.fatal], [])
})

test('an instance that has nothing to write stays, and costs few entries', async () => {
  const world = newWorld()
  const idle = await world.open()
  const other = await world.open()
  const id = await world.topic(other)
  const before = other.cluster.ledgerSequence()
  await world.run(10 * graceMs)
  assert.deepEqual([...idle.fatal, ...other.fatal], [])
  const entries = other.cluster.ledgerSequence() - before
  assert.ok(entries < 2 * 10 * 11, `${entries} entries`)
  assert.equal(await appended(world, idle, id), 0)
  assert.equal(await appended(world, other, id), 1)
})

test('an instance that is forgotten though it lives acknowledges nothing more, and ends', async () => {
  const world = newWorld()
  const [well, lost] = [await world.open(), await world.open()]
  const id = await world.topic(well)
  assert.equal(await appended(world, lost, id), 0)
  const { proposer } = lost.cluster
  const lastIndex = proposer.state.writers.lastIndex(proposer.writer)
  await world.await(well.cluster.proposer.propose('forgetWriters', { writers: [[proposer.writer, lastIndex]] }))
  const forgotten = await appended(world, lost, id).catch(() => 'refused')
  await world.run(minute)
  assert.equal(forgotten, 'refused')
  assert.match(lost.fatal.join(), /forgot/)
  assert.equal(await appended(world, well, id), 1, 'what was refused is not there')
})

test('an instance that can read but not write is forgotten, acknowledges nothing more, and ends', async () => {
  const world = newWorld()
  const well = await world.open()
  const id = await world.topic(well)
  let isReadOnly = false
  const mute = await world.open({
    change: (store) => ({
      ...store,
      putIfAbsent: (key, body) =>
        isReadOnly
          ? Promise.reject(new StoreError('no permission to write', { key, retry: true }))
          : store.putIfAbsent(key, body),
    }),
  })
  await appended(world, mute, id)
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
  assert.equal(await appended(world, well, id), 1, 'what was refused is not there')
})

test('all that is old goes also where nobody lives for longer than a quarter of the grace period', async () => {
  const world = newWorld()
  let older = await world.open()
  const id = await world.topic(older)
  const starts = 60
  for (let i = 0; i < starts; i++) {
    const younger = await world.open()
    if (i % 2 === 0) older.process.crash()
    else await world.await(older.cluster.close())
    older = younger
    for (let second = 0; second < graceMs / 4_000; second += 10) {
      await appended(world, older, id)
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
