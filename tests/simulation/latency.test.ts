import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureLatency } from './latency.js'

// The figures of docs/simulation.md, with room for another seed and a shorter time.

test('every writer is known to the sequencer, also one whose number was passed over', async () => {
  // Of these three, the first knew the third before it had asked for the second, and never asked again.
  const { others } = await measureLatency({ writers: 3, flushIntervalMs: 0, seed: 1, ms: 4_000 })
  assert.ok(others !== undefined && others.p99 < 450, `p99 ${others?.p99} ms`)
})

test("at S3's defaults nobody puts more than ten times a second and what hedges take, and answers come in time", async () => {
  const { sequencer, others, putsPerSecond, getsPerSecond, changesPerMinute } = await measureLatency({
    ...{ writers: 3, flushIntervalMs: 100, seed: 1, ms: 10_000 },
  })
  assert.ok(putsPerSecond <= 10 * 1.08 + 0.2, `${putsPerSecond} puts/s`)
  assert.ok(getsPerSecond < 75, `${getsPerSecond} gets/s`)
  assert.equal(changesPerMinute, 0)
  assert.ok(sequencer.p50 < 125 && sequencer.p99 < 240, JSON.stringify(sequencer))
  assert.ok(others !== undefined && others.p50 < 275 && others.p99 < 430, JSON.stringify(others))
})

test('a store that is slow now and then is asked twice', async () => {
  const load = { writers: 3, flushIntervalMs: 100, outliers: 0.005, seed: 1, ms: 10_000 }
  const { sequencer, others } = await measureLatency(load)
  assert.ok(sequencer.p99 < 300, JSON.stringify(sequencer))
  assert.ok(others !== undefined && others.p99 < 520, JSON.stringify(others))
})
