import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RangeTable } from '../views/ranges.js'
import type { Mark } from './ages.js'
import { nextRun, type PlanOptions } from './compaction-plan.js'

const mark = (sequence: number): Mark => ({ sequence, indexes: new Map([[7, sequence]]), writersFrom: 0 })

/** Ranges of the given lengths, each an entry of its own; numbers in brackets are segments' chunks. */
function table(...shape: (number | number[])[]): RangeTable {
  const ranges = new RangeTable()
  let offset = 0
  let number = 0
  for (const each of shape) {
    number++
    for (const [i, length] of [each].flat().entries()) {
      const writer = typeof each === 'number' ? 0 : -7
      const position = i * 1_000_000
      const baseOffset = offset++
      ranges.append({ baseOffset, endOffset: offset, writer, number, position, length, maxTimestampMs: 0 })
    }
  }
  return ranges
}

const plan = (options: Partial<PlanOptions>): PlanOptions => ({
  segmentBytes: 1_000,
  settled: mark(1_000_000),
  old: undefined,
  ...options,
})

test('flushed ranges wait until they fill a segment or are old', () => {
  assert.equal(nextRun(table(300, 300, 300), plan({})), undefined)
  assert.deepEqual(nextRun(table(300, 300, 300), plan({ old: mark(1) })), { index: 0, count: 3, bytes: 900 })
  assert.deepEqual(nextRun(table(300, 300, 300, 300, 300), plan({})), { index: 0, count: 4, bytes: 1_200 })
  assert.equal(nextRun(table(...new Array<number>(1_023).fill(0)), plan({})), undefined)
  assert.deepEqual(nextRun(table(...new Array<number>(1_024).fill(0)), plan({}))?.count, 1_024)
})

test('what has just been written stays', () => {
  assert.deepEqual(nextRun(table(600, 600, 600), plan({ settled: mark(2) })), { index: 0, count: 2, bytes: 1_200 })
  assert.equal(nextRun(table(600, 600, 600), plan({ settled: mark(1) })), undefined)
  assert.equal(nextRun(table(600, 600), plan({ settled: mark(0), old: mark(0) })), undefined)
})

test('a segment before is taken along unless it is larger than what follows it', () => {
  const old = mark(1_000)
  assert.deepEqual(nextRun(table([50, 50], 100), plan({ old })), { index: 0, count: 3, bytes: 200 })
  assert.deepEqual(nextRun(table([50, 51], 100), plan({ old })), { index: 2, count: 1, bytes: 100 })
  assert.deepEqual(nextRun(table([200], [100], 100), plan({ old })), { index: 0, count: 3, bytes: 400 })
  assert.deepEqual(nextRun(table([600], 600), plan({ old })), { index: 1, count: 1, bytes: 600 })
  assert.equal(nextRun(table([50], [50]), plan({ old })), undefined)
})

test('however many flushes, a log has few segments, and a byte is rewritten few times', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 200 }), (lengths) => {
      const ranges = new RangeTable()
      let offset = 0
      let written = 0
      let number = 0
      for (const length of lengths) {
        const baseOffset = offset++
        ranges.append({
          baseOffset,
          endOffset: offset,
          writer: 0,
          number: ++number,
          position: 0,
          length,
          maxTimestampMs: 0,
        })
        for (
          let run = nextRun(ranges, plan({ old: mark(1e9) }));
          run;
          run = nextRun(ranges, plan({ old: mark(1e9) }))
        ) {
          const first = ranges.at(run.index)
          const endOffset = ranges.endOffsetAt(run.index + run.count - 1)
          ranges.replace(run.index, run.count, [
            { ...first, endOffset, writer: -1, number: ++number, length: run.bytes },
          ])
          written += run.bytes
        }
      }
      const bytes = lengths.reduce((sum, length) => sum + length, 0)
      assert.equal(ranges.bytes, bytes)
      assert.ok(ranges.length <= 1 + bytes / 250 + Math.log2(1_000), `${ranges.length} segments of ${bytes} bytes`)
      assert.ok(written <= bytes * (1 + Math.log2(1_000)), `${written} bytes written for ${bytes}`)
    }),
  )
})
