import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/clock.js'
import { createBatcher } from './batcher.js'

function batcherOf(limits: { size: number; bytes: number; timeoutMs: number }) {
  let due = 0
  const timers: { task: () => void; cancelled: boolean }[] = []
  const clock = {
    ...systemClock,
    after(_ms: number, task: () => void) {
      const timer = { task, cancelled: false }
      timers.push(timer)
      return {
        cancel() {
          timer.cancelled = true
        },
      }
    },
  }
  const batcher = createBatcher<{ bytes: number; id: number }>(limits, clock, () => due++)
  let id = 0
  return {
    add: (...sizes: number[]) => {
      for (const bytes of sizes) batcher.add({ bytes, id: id++ })
    },
    take: () => batcher.take()?.map((item) => item.id),
    flush: () => batcher.flush(),
    fire() {
      const timer = timers.findLast(({ cancelled }) => !cancelled)
      assert.ok(timer, 'a timer runs')
      timer.cancelled = true
      timer.task()
    },
    running: () => timers.filter(({ cancelled }) => !cancelled).length,
    due: () => due,
  }
}

test('a batch is due when it has its number of records', () => {
  const batcher = batcherOf({ size: 2, bytes: 100, timeoutMs: 10 })
  batcher.add(1)
  assert.equal(batcher.take(), undefined)
  batcher.add(1, 1)
  assert.deepEqual(batcher.take(), [0, 1])
  assert.equal(batcher.take(), undefined)
  assert.equal(batcher.running(), 1)
})

test('a batch is due when it has its bytes, and has no more of them', () => {
  const batcher = batcherOf({ size: 100, bytes: 10, timeoutMs: 10 })
  batcher.add(6, 6)
  assert.deepEqual(batcher.take(), [0])
  assert.equal(batcher.take(), undefined)
})

test('a record that is larger than a batch is one of its own', () => {
  const batcher = batcherOf({ size: 100, bytes: 10, timeoutMs: 10 })
  batcher.add(50)
  assert.deepEqual(batcher.take(), [0])
})

test('a batch is due when its time is over, however small it is', () => {
  const batcher = batcherOf({ size: 100, bytes: 100, timeoutMs: 10 })
  batcher.add(1)
  batcher.fire()
  assert.equal(batcher.due(), 1)
  assert.deepEqual(batcher.take(), [0])
  assert.equal(batcher.running(), 0)
})

test('a flush makes all that waits due, in batches of the usual size', () => {
  const batcher = batcherOf({ size: 2, bytes: 100, timeoutMs: 10 })
  batcher.add(1, 1, 1)
  batcher.flush()
  assert.deepEqual([batcher.take(), batcher.take(), batcher.take()], [[0, 1], [2], undefined])
})
