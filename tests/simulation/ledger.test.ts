import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runWorld, type WorldOptions } from './ledger-world.js'

const calm = { putMs: 60, getMs: 30, failures: 0, outliers: 0 }
const bad = { putMs: 60, getMs: 30, failures: 0.05, outliers: 0.01 }

const worlds: { title: string; seeds: number; options: Omit<WorldOptions, 'seed'> }[] = [
  {
    title: 'one instance on a calm store',
    seeds: 2,
    options: { instances: 1, producers: 6, partitions: 3, ms: 10_000, faults: calm, crashes: 0, pauses: 0 },
  },
  {
    title: 'one instance that crashes on a bad store',
    seeds: 8,
    options: { instances: 1, producers: 6, partitions: 3, ms: 15_000, faults: bad, crashes: 0.15, pauses: 0.05 },
  },
  {
    title: 'three instances that crash and pause on a bad store',
    seeds: 12,
    options: { instances: 3, producers: 8, partitions: 3, ms: 15_000, faults: bad, crashes: 0.1, pauses: 0.1 },
  },
]

for (const { title, seeds, options } of worlds)
  test(`${title}: nothing acknowledged is lost, doubled or reordered, and all folds agree`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const result = await runWorld({ ...options, seed })
      assert.deepEqual(result.violations, [], `seed ${seed}`)
      assert.ok(result.acknowledged > 20, `seed ${seed} acknowledged only ${result.acknowledged} of ${result.sent}`)
    }
  })
