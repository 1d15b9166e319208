import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LedgerClock } from './ledger-clock.js'
import { applyCommand, emptyState } from './state.js'
import { noEvents } from './view.js'

const keepMs = 1_000
const place = { timeMs: 0, writer: 1, body: { writer: 0, number: 1, position: 0 } }

/** Somebody who saw a tick, and when. */
interface Watcher {
  ticks: number
  sinceMs: number
}

test('no mark is older by the clock than it is, whoever looks how often, sleeps, dies or is late with a tick', () => {
  const step = fc.record({ who: fc.nat(3), kind: fc.constantFrom('see', 'propose', 'order'), ms: fc.nat(300) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const state = emptyState()
      const watchers: Watcher[] = Array.from({ length: 4 }, () => ({ ticks: 0, sinceMs: 0 }))
      const proposed: { from: number; ms: number }[] = []
      const madeAtMs = new Map<number, number>()
      let nowMs = 0
      for (const { who, kind, ms } of steps) {
        nowMs += ms
        const watcher = watchers[who] as Watcher
        const { ticks } = state.clock
        if (kind === 'see' && watcher.ticks !== ticks) watchers[who] = { ticks, sinceMs: nowMs }
        if (kind === 'propose') proposed.push({ from: watcher.ticks, ms: nowMs - watcher.sinceMs })
        // In whatever order.
        const [tick] = kind === 'order' ? proposed.splice(ms % Math.max(proposed.length, 1), 1) : []
        if (tick === undefined) continue
        const command = { ...tick, keepMs, sequence: 1, covered: 0 }
        applyCommand(state, 'tick', command, { ...place, position: state.position }, noEvents)
        if (state.clock.ticks === ticks) continue
        assert.equal(tick.from, ticks)
        madeAtMs.set(state.position - 1, nowMs)
        for (let ageMs = 0; ageMs <= keepMs; ageMs += 50) {
          const mark = state.clock.before(ageMs)
          const madeMs = madeAtMs.get(mark?.position ?? -1) ?? Number.NEGATIVE_INFINITY
          assert.ok(nowMs - madeMs >= ageMs, `${ageMs} ms old, it is said, and made ${nowMs - madeMs} ms ago`)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('marks are few, and any age up to the greatest is known to within an eighth of it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 300, maxLength: 600 }), (times) => {
      const clock = new LedgerClock()
      for (const [position, ms] of times.entries()) {
        clock.tick(ms, keepMs, { position, sequence: 0, covered: 0, indexes: new Map(), writersFrom: 0 })
        if (clock.nowMs < 2 * keepMs) continue
        for (const ageMs of [200, 500, keepMs]) {
          const { atMs } = clock.before(ageMs) ?? assert.fail(`nothing is ${ageMs} ms old`)
          // A tick may be as long as it is.
          assert.ok(clock.nowMs - atMs < ageMs + keepMs / 8 + 100, `${clock.nowMs - atMs} ms for ${ageMs}`)
        }
      }
      const [, , marks] = clock.toSnapshot() as [number, number, unknown[]]
      assert.ok(marks.length <= 20, `${marks.length} marks`)
    }),
    { numRuns: 30 },
  )
})

test('a mark tells what the ledger had come to, also after a snapshot', () => {
  const state = emptyState()
  state.writers.admit(7, 1, 0)
  const tick = (from: number, ms: number) => {
    const command = { from, ms, keepMs, sequence: 40 + from, covered: 30 + from }
    applyCommand(state, 'tick', command, { ...place, position: state.position }, noEvents)
  }
  assert.equal(state.clock.before(0), undefined)
  tick(0, 500)
  state.writers.admit(7, 2, 0)
  tick(0, 500)
  assert.equal(state.clock.ticks, 1, 'the second of the two that follow the same tick does not count')
  tick(1, 800)
  for (const clock of [state.clock, LedgerClock.fromSnapshot(state.clock.toSnapshot())]) {
    assert.equal(clock.nowMs, 1_300)
    const expected = { atMs: 500, position: 0, sequence: 40, covered: 30, indexes: new Map([[7, 1]]), writersFrom: 0 }
    assert.deepEqual(clock.before(800), expected)
    assert.equal(clock.before(801), undefined)
    assert.equal(clock.before(0)?.indexes.get(7), 2)
  }
})
