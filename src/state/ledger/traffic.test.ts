import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { Traffic } from './traffic.js'

const [us, other] = [1, 2]
const [putMs, quietMs] = [60, 500]

/** What we think of traffic on a clock that stands still; the tail was looked at when `look` was called last. */
async function watching() {
  const clock = new VirtualClock()
  let lookedAt = Number.NEGATIVE_INFINITY
  const traffic = new Traffic(clock, us, () => lookedAt)
  const pass = async (ms: number) => {
    clock.after(ms, () => {})
    await clock.run(clock.monotonic() + ms)
  }
  const look = () => {
    lookedAt = clock.monotonic()
  }
  await pass(10_000)
  return { traffic, pass, look }
}

test('it is crowded where others keep the store busy, until they were looked for and not found', async () => {
  const { traffic, pass, look } = await watching()
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
  for (let entry = 0; entry < 10; entry++) {
    traffic.applied(other)
    await pass(100)
  }
  assert.ok(traffic.isCrowded(putMs, quietMs))
  // Stopped for a while: nobody knows whether the sequencer was silent too.
  await pass(600)
  assert.equal(traffic.silenceMs(), 0)
  assert.ok(traffic.isCrowded(putMs, quietMs))
  look()
  assert.equal(traffic.silenceMs(), 700)
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
})

test('whoever loses two places in a second knows that it is crowded, whoever loses one does not', async () => {
  const { traffic, pass } = await watching()
  traffic.applied(other)
  traffic.lostPlace()
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
  await pass(1_100)
  traffic.applied(other)
  traffic.lostPlace()
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
  traffic.lostPlace()
  assert.ok(traffic.isCrowded(putMs, quietMs))
  await pass(1_100)
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
})

test('the sequencer competes with nobody, whatever it lost before', async () => {
  const { traffic } = await watching()
  traffic.lostPlace()
  traffic.lostPlace()
  traffic.applied(other)
  assert.ok(traffic.isCrowded(putMs, quietMs))
  traffic.applied(us)
  assert.equal(traffic.isCrowded(putMs, quietMs), false)
})
