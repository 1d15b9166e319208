import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { writerOf, writersOfLedgers } from './placement.js'

const liveWriters = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 40 })
const ledgerCount = fc.integer({ min: 1, max: 20 })

test('every ledger has a writer, every writer a ledger, and nobody more than his share', () => {
  fc.assert(
    fc.property(liveWriters, ledgerCount, (live, ledgers) => {
      const chosen = writersOfLedgers(live, ledgers)
      assert.equal(chosen.length, ledgers)
      const sizes = chosen.map((writers) => writers.length)
      assert.ok(Math.min(...sizes) >= 1 && Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`)
      const loads = live.map((writer) => chosen.filter((writers) => writers.includes(writer)).length)
      assert.ok(Math.min(...loads) >= 1 && Math.max(...loads) - Math.min(...loads) <= 1, `${loads}`)
      assert.ok(sizes.every((size) => size === 1) || loads.every((load) => load === 1))
    }),
  )
})

test('all instances come to the same, in whatever order they know each other', () => {
  fc.assert(
    fc.property(liveWriters, ledgerCount, (live, ledgers) => {
      assert.deepEqual(writersOfLedgers([...live].reverse(), ledgers), writersOfLedgers(live, ledgers))
    }),
  )
})

test('most ledgers keep their writer when another one goes', () => {
  let kept = 0
  for (let gone = 1; gone <= 10; gone++) {
    const live = Array.from({ length: 10 }, (_, i) => i + 1)
    const before = writersOfLedgers(live, 10)
    const after = writersOfLedgers(
      live.filter((writer) => writer !== gone),
      10,
    )
    kept += before.filter(([writer], ledger) => after[ledger]?.[0] === writer).length
  }
  assert.ok(kept >= 70, `${kept} of 100`)
})

test('of several writers each has about its share of names, and nobody of none', () => {
  const counts = new Map([3, 8, 11].map((writer) => [writer, 0]))
  for (let i = 0; i < 3_000; i++) {
    const writer = writerOf(`topic/${i}`, [3, 8, 11]) ?? 0
    counts.set(writer, (counts.get(writer) ?? 0) + 1)
  }
  for (const count of counts.values()) assert.ok(Math.abs(count - 1_000) < 120, `${[...counts.values()]}`)
  assert.equal(writerOf('topic/1', []), undefined)
})
