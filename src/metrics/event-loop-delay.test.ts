import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../tests/support/manual-clock.js'
import { createMetrics } from '../base/metrics.js'
import { eventLoopDelayMetrics, watchEventLoop } from './event-loop-delay.js'

/** A clock whose timers come late by what `lateMs` says when they are set. */
class LateClock extends ManualClock {
  lateMs = 0

  override after(ms: number, task: () => void) {
    return super.after(ms + this.lateMs, task)
  }
}

function watched(clock: LateClock) {
  const metrics = createMetrics()
  const watch = watchEventLoop(eventLoopDelayMetrics(metrics), clock)
  const read = async (start: string) => {
    const line = (await metrics.text()).split('\n').find((one) => one.startsWith(`nodejs_eventloop_${start} `))
    return Number(line?.split(' ')[1])
  }
  return { watch, read, upTo: (bound: string) => read(`delay_seconds_bucket{le="${bound}"}`) }
}

test('a loop that is in time is seen to be, every 50 ms', async () => {
  const clock = new LateClock()
  const { upTo } = watched(clock)
  await clock.advance(1_000)
  assert.equal(await upTo('0.001'), 20)
  assert.equal(await upTo('+Inf'), 20)
})

test('a standstill counts for every look that it kept from being made', async () => {
  const clock = new LateClock()
  clock.lateMs = 190
  const { upTo } = watched(clock)
  clock.lateMs = 0
  await clock.advance(240)
  // Due at 50, 100, 150 and 200 ms; the loop came back at 240.
  const counts: number[] = []
  for (const bound of ['0.02', '0.05', '0.1', '0.2', '+Inf']) counts.push(await upTo(bound))
  assert.deepEqual(counts, [0, 1, 2, 4, 4])
})

test('a process that slept for a day does not count for a day', async () => {
  const clock = new LateClock()
  clock.lateMs = 86_400_000
  const { upTo } = watched(clock)
  await clock.advance(86_400_050)
  assert.equal(await upTo('+Inf'), 201)
})

test('gauges tell of the time since they were last read', async () => {
  const clock = new LateClock()
  clock.lateMs = 30
  const { read } = watched(clock)
  clock.lateMs = 0
  await clock.advance(80)
  assert.ok(Math.abs((await read('lag_max_seconds')) - 0.03) < 0.001)
  assert.equal(await read('lag_max_seconds'), 0)
})

test('nothing is looked at after the end', async () => {
  const clock = new LateClock()
  const { watch, upTo } = watched(clock)
  await clock.advance(250)
  watch.stop()
  await clock.advance(1_000)
  assert.equal(await upTo('+Inf'), 5)
})
