import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Range, RangeTable } from './ranges.js'

const range = (baseOffset: number, count: number, number: number, position = 0, length = 10): Range => ({
  baseOffset,
  endOffset: baseOffset + count,
  writer: 0,
  number,
  position,
  length,
  maxTimestampMs: baseOffset,
})

test('batches that follow one another in one object become one range', () => {
  const table = new RangeTable()
  table.append(range(0, 5, 1, 100, 50))
  table.append({ ...range(5, 2, 1, 150, 20), maxTimestampMs: 99 })
  table.append(range(7, 1, 1, 200, 5))
  table.append(range(8, 1, 2, 205, 5))
  assert.equal(table.length, 3)
  assert.deepEqual(table.at(0), { ...range(0, 7, 1, 100, 70), maxTimestampMs: 99 })
  assert.equal(table.bytes, 80)
})

test('find, drop, replace and snapshot agree with a plain list of ranges', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({
      kind: fc.constant('replace' as const),
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
      by: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({ kind: fc.constant('restart' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let table = new RangeTable()
      let model: Range[] = []
      let end = 0
      let number = 0
      for (const each of steps) {
        if (each.kind === 'append') {
          const added = range(end, each.count, ++number)
          table.append(added)
          model.push(added)
          end += each.count
        } else if (each.kind === 'drop') {
          const offset = Math.floor(end * each.share)
          table.dropBefore(offset)
          model = model.filter((kept) => kept.endOffset > offset)
        } else if (each.kind === 'replace') {
          const index = Math.floor(model.length * Math.min(each.from, each.to))
          const count = Math.ceil((model.length - index) * Math.max(each.from, each.to))
          if (count === 0 || index === model.length) continue
          const [first, last] = [model[index], model[index + count - 1]] as [Range, Range]
          const others = Array.from({ length: each.by }, (_, i) => ({
            ...range(first.baseOffset, 0, ++number),
            endOffset: i === each.by - 1 ? last.endOffset : first.baseOffset,
          }))
          table.replace(index, count, others)
          model.splice(index, count, ...others)
        } else table = RangeTable.fromSnapshot(table.toSnapshot())
        assert.deepEqual(
          Array.from({ length: table.length }, (_, i) => table.at(i)),
          model,
        )
        assert.equal(
          table.bytes,
          model.reduce((sum, kept) => sum + kept.length, 0),
        )
      }
      for (let offset = 0; offset <= end; offset++) {
        const expected = model.findIndex((kept) => kept.endOffset > offset)
        assert.equal(table.find(offset), expected < 0 ? model.length : expected)
      }
    }),
  )
})
