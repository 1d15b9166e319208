import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.js'
import { backoffMs, retryAfterMsMax } from './retry.js'

const policy = { attempts: 10, intervalMs: 100, maxIntervalMs: 1000 }

test('waiting times double up to their limit, and chance takes up to a half', () => {
  const random = seededRandom(3)
  for (const [failures, full] of [
    [1, 100],
    [2, 200],
    [4, 800],
    [5, 1000],
    [500, 1000],
  ] as const) {
    const waitMs = backoffMs(policy, failures, random)
    assert.ok(waitMs >= full / 2 && waitMs <= full, `${waitMs} after ${failures}`)
  }
})

test('a target may ask for more time, but not for ever', () => {
  assert.equal(backoffMs(policy, 1, seededRandom(3), 5000), 5000)
  assert.equal(backoffMs(policy, 1, seededRandom(3), 1e12), retryAfterMsMax)
})
