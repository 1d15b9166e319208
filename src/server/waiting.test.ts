import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../base/clock.js'
import { waitForRecords } from './waiting.js'

/** A log whose partitions change when the test says so. */
function watched() {
  const wakes = new Set<() => void>()
  return {
    change() {
      for (const wake of wakes) wake()
    },
    get watchers() {
      return wakes.size
    },
    watch(_partitions: unknown, wake: () => void) {
      wakes.add(wake)
      return () => wakes.delete(wake)
    },
  }
}

const common = { partitions: [], clock: systemClock, timeoutMs: 60_000 }

test('who waits is woken by a change that gives enough, and asks once for many changes at once', async () => {
  const logs = watched()
  let asked = 0
  let enough = false
  const isReady = () => {
    asked++
    return enough
  }
  const waiting = waitForRecords({ ...common, logs, isReady, signal: new AbortController().signal })
  logs.change()
  logs.change()
  await Promise.resolve()
  assert.equal(asked, 1)
  enough = true
  logs.change()
  assert.equal(asked, 1, 'not while the ledger is being applied')
  await waiting
  assert.equal(asked, 2)
  assert.equal(logs.watchers, 0)
})

test('who waits gives up after the time-out or when the connection closes', async () => {
  const logs = watched()
  const aborter = new AbortController()
  const isReady = () => false
  // The clock's timers don't keep the process alive; this one does.
  await Promise.all([sleep(50), waitForRecords({ ...common, logs, isReady, timeoutMs: 5, signal: aborter.signal })])
  const waiting = waitForRecords({ ...common, logs, isReady, signal: aborter.signal })
  assert.equal(logs.watchers, 1)
  aborter.abort()
  await waiting
  await waitForRecords({ ...common, logs, isReady, signal: aborter.signal })
  assert.equal(logs.watchers, 0)
})
