import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FlushPace } from './flush-pace.js'

const settings = { flushIntervalMs: 100, flushBytes: 1_000 }

test('the first flush is due at once, the next after the interval, or when there are bytes enough', () => {
  const pace = new FlushPace(settings)
  assert.ok(pace.waitMs(5, 1) <= 0)
  pace.flushed(5)
  assert.equal(pace.waitMs(45, 1), 60)
  assert.ok(pace.waitMs(45, 1_000) <= 0)
  assert.ok(pace.waitMs(105, 1) <= 0)
})

test('timers that fire late do not make flushes fewer', () => {
  const pace = new FlushPace(settings)
  let now = 0
  for (let flush = 0; flush <= 100; flush++) {
    now += Math.max(0, pace.waitMs(now, 1)) + 3
    pace.flushed(now)
  }
  assert.ok(now < 100 * 100 + 10, `100 intervals took ${now} ms`)
})

test('after a pause there is nothing to make up for', () => {
  const pace = new FlushPace(settings)
  pace.flushed(0)
  pace.flushed(1_000)
  assert.equal(pace.waitMs(1_000, 1), 100)
})

test('whenever flushes come, each as soon as it is due or later: never more than one per interval on average, and one', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 250, noNaN: true }), { minLength: 2, maxLength: 100 }), (lates) => {
      const pace = new FlushPace(settings)
      let now = 0
      const flushes = lates.map((late) => {
        now += Math.max(0, pace.waitMs(now, 1)) + late
        pace.flushed(now)
        return now
      })
      for (const [from, begin] of flushes.entries())
        for (const [more, end] of flushes.slice(from + 1).entries())
          assert.ok(end - begin >= (more + 1) * 100 - 25 - 1e-6, `${more + 2} flushes in ${end - begin} ms`)
    }),
  )
})

test('without an interval every flush is due at once', () => {
  const pace = new FlushPace({ ...settings, flushIntervalMs: 0 })
  pace.flushed(7)
  assert.ok(pace.waitMs(7, 1) <= 0)
})
