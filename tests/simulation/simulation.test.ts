import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureLatency } from './latency.js'
import { mutatedFiles } from './mutation-loader.js'
import { mutations } from './mutations.js'
import { runWorld } from './world.js'
import { worlds } from './worlds.js'

/** Seeds of each world, fewest of those that take longest. `npm run simulate` runs as many as you like. */
const seeds: Readonly<Record<string, number>> = {
  calm: 3,
  ledger: 22,
  lonely: 10,
  storm: 10,
  topics: 4,
  groups: 18,
  fellowship: 14,
  leases: 19,
  islands: 8,
  upkeep: 5,
  near: 3,
  machine: 4,
  mayflies: 3,
  compaction: 4,
  overload: 5,
  takeover: 3,
  spread: 8,
  catalogue: 6,
  shared: 4,
}

for (const [name, options] of Object.entries(worlds))
  test(`nothing that clients were promised is broken in the world '${name}'`, async () => {
    for (let seed = 1; seed <= (seeds[name] ?? 5); seed++) {
      const result = await runWorld(options, seed)
      assert.deepEqual(result.violations, [], `npm run simulate -- --world ${name} --seed ${seed} --seeds 1`)
      assert.ok(
        options.producers === 0 || result.acknowledged > 20,
        `seed ${seed}: ${result.acknowledged} acknowledged`,
      )
      assert.ok(options.groups === 0 || result.generations > 0, `seed ${seed}: no group ever formed`)
      assert.ok(!options.hasUpkeep || result.segments > 2, `seed ${seed}: ${result.segments} segments`)
      assert.ok(!options.hasUpkeep || result.deleted > 100, `seed ${seed}: ${result.deleted} objects deleted`)
      assert.ok(options.keyedTopics === 0 || result.cleaned > 100, `seed ${seed}: ${result.cleaned} records cleaned`)
      assert.ok(name !== 'overload' || result.refusals > 20, `seed ${seed}: ${result.refusals} refusals`)
      assert.ok(options.leases === 0 || result.leaseAcquisitions > 0, `seed ${seed}: nobody ever held a lease`)
    }
  })

test('a world runs the same way twice', async () => {
  const { ledger } = worlds
  assert.ok(ledger)
  assert.deepEqual(await runWorld(ledger, 77), await runWorld(ledger, 77))
})

test('every mutation still fits the code', () => {
  for (const mutation of mutations) assert.ok(mutatedFiles(mutation).size > 0)
})

test('writers that compete are as quick as lanes allow, and none starves', async () => {
  const { sequencer, others } = await measureLatency({ writers: 4, flushIntervalMs: 0, seed: 3, ms: 10_000 })
  assert.ok(sequencer.p99 < 300, `sequencer: ${JSON.stringify(sequencer)}`)
  assert.ok(others !== undefined && others.p99 < 500, `others: ${JSON.stringify(others)}`)
})

test('writers that each have a ledger are all as quick as a sequencer', async () => {
  const options = { writers: 3, ledgers: 3, flushIntervalMs: 100, seed: 1, ms: 10_000 }
  const { sequencer, others } = await measureLatency(options)
  for (const each of [sequencer, others])
    assert.ok(each !== undefined && each.p50 < 130 && each.p99 < 260, `${JSON.stringify({ sequencer, others })}`)
  // Behind a load balancer they meet on each of them, as they do on one.
  const scattered = await measureLatency({ ...options, isScattered: true })
  for (const each of [scattered.sequencer, scattered.others])
    assert.ok(each !== undefined && each.p99 < 500, `${JSON.stringify(scattered)}`)
})
