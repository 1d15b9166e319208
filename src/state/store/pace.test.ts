import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.js'
import { Pace } from './pace.js'

function pace() {
  let now = 0
  const paced = new Pace({ ...systemClock, monotonic: () => now })
  const wait = (ms: number) => {
    now += ms
  }
  return { paced, wait, call: (ms: number, bytes?: number) => paced.block(() => wait(ms), bytes) }
}

test('quick calls stay on the event loop, and so does one slow call among them', () => {
  const { paced, call } = pace()
  for (let i = 0; i < 1_000; i++) {
    call(i % 100 === 0 ? 20 : 0.05)
    assert.ok(paced.mayBlock())
  }
})

test('slow calls leave the event loop for a while', () => {
  const { paced, call, wait } = pace()
  let calls = 0
  while (paced.mayBlock() && calls < 1_000) {
    call(2)
    calls++
  }
  assert.ok(calls < 20, `${calls} calls`)
  wait(4_000)
  assert.ok(!paced.mayBlock())
  wait(1_000)
  assert.ok(paced.mayBlock())
})

test('a call that copies much may take longer, but not for ever', () => {
  const { paced, call } = pace()
  for (let i = 0; i < 1_000; i++) call(2, 2 ** 21)
  assert.ok(paced.mayBlock())
  for (let i = 0; i < 20; i++) call(20, 2 ** 21)
  assert.ok(!paced.mayBlock())
})

test('a call that throws counts, and throws', () => {
  let now = 0
  const paced = new Pace({ ...systemClock, monotonic: () => (now += 100) })
  for (let i = 0; i < 3; i++)
    assert.throws(
      () =>
        paced.block(() => {
          throw new Error('no')
        }),
      /no/,
    )
  assert.ok(!paced.mayBlock())
})
