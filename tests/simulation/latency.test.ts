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
  assert.ok(getsPerSecond < 62, `${getsPerSecond} gets/s`)
  assert.equal(changesPerMinute, 0)
  assert.ok(sequencer.p50 < 125 && sequencer.p99 < 240, JSON.stringify(sequencer))
  assert.ok(others !== undefined && others.p50 < 268 && others.p99 < 400, JSON.stringify(others))
})

test('a store that is slow now and then is asked twice', async () => {
  const load = { writers: 3, flushIntervalMs: 100, outliers: 0.005, seed: 1, ms: 10_000 }
  const { sequencer, others } = await measureLatency(load)
  assert.ok(sequencer.p99 < 300, JSON.stringify(sequencer))
  assert.ok(others !== undefined && others.p99 < 480, JSON.stringify(others))
})

test('writers that begin together agree on a sequencer before a second has passed', async () => {
  for (const settings of [
    { flushIntervalMs: 100 },
    { flushIntervalMs: 20, maxInflightEntries: 8, pollIntervalMs: 10 },
  ]) {
    const worst: number[] = []
    for (let seed = 1; seed <= 5; seed++) {
      const { others } = await measureLatency({ ...settings, writers: 3, seed, ms: 2_000, warmUpMs: 0 })
      worst.push(others?.p99 ?? Number.NaN)
    }
    worst.sort((a, b) => a - b)
    // 1,400 ms where they fight until they know each other by their entries.
    assert.ok((worst[2] ?? 0) < 750 && (worst[4] ?? 0) < 950, JSON.stringify({ settings, worst }))
  }
})
