import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.js'
import { Deadlines } from './deadlines.js'

/** A clock that goes when it is told to, and counts the timers that were set. */
function steppedClock() {
  let nowMs = 0
  let timersSet = 0
  const timers = new Set<{ atMs: number; task: () => void }>()
  const clock = {
    monotonic: () => nowMs,
    after(ms: number, task: () => void) {
      timersSet++
      const timer = { atMs: nowMs + ms, task }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
  } as Clock
  const step = (ms: number) => {
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs++
      for (const timer of timers)
        if (timer.atMs <= nowMs) {
          timers.delete(timer)
          timer.task()
        }
    }
  }
  return { clock, step, timersSet: () => timersSet }
}

test('deadlines pass in time, but for those that were withdrawn', () => {
  const { clock, step } = steppedClock()
  const deadlines = new Deadlines(clock)
  const passed: number[] = []
  const waiting = [70, 20, 50, 20, 90].map((atMs) => deadlines.add(atMs, () => passed.push(atMs)))
  step(10)
  deadlines.withdraw(waiting[2] as (typeof waiting)[number])
  deadlines.withdraw(waiting[2] as (typeof waiting)[number])
  step(10)
  assert.deepEqual(passed, [20, 20])
  deadlines.withdraw(waiting[1] as (typeof waiting)[number])
  step(50)
  assert.deepEqual(passed, [20, 20, 70])
  deadlines.add(75, () => passed.push(75))
  step(30)
  assert.deepEqual(passed, [20, 20, 70, 75, 90])
})

test('however many are set and withdrawn, a timer is set but now and then', () => {
  const { clock, step, timersSet } = steppedClock()
  const deadlines = new Deadlines(clock)
  for (let i = 0; i < 10_000; i++) {
    const deadline = deadlines.add(clock.monotonic() + 1_000, assert.fail)
    if (i % 10 === 0) step(1)
    deadlines.withdraw(deadline)
  }
  assert.ok(timersSet() <= 3, `${timersSet()} timers`)
})

test('those that pass at nearly the same time pass together, and none once it is closed', () => {
  const { clock, step, timersSet } = steppedClock()
  const deadlines = new Deadlines(clock)
  let passed = 0
  for (let i = 0; i < 1_000; i++) deadlines.add(100 + i / 10, () => passed++)
  step(110)
  assert.ok(passed > 90 && passed <= 101, `${passed} passed`)
  assert.ok(timersSet() <= 5, `${timersSet()} timers`)
  deadlines.close()
  const before = passed
  step(1_000)
  assert.equal(passed, before)
})
