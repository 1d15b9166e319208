import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Extents } from './extents.js'

const units = 24

test('units are taken by one at a time, and whenever so many are free side by side', () => {
  const step = fc.record({ length: fc.integer({ min: 1, max: 8 }), index: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const extents = new Extents(units)
      const taken: { start: number; length: number }[] = []
      const isTaken = new Array<boolean>(units).fill(false)
      for (const { length, index } of steps) {
        const start = extents.take(length)
        if (start === undefined) {
          for (let at = 0; at + length <= units; at++)
            assert.ok(isTaken.slice(at, at + length).includes(true), `${length} from ${at} were free`)
          const given = taken.splice(index % taken.length, 1)[0]
          if (given === undefined) continue
          extents.give(given.start, given.length)
          isTaken.fill(false, given.start, given.start + given.length)
        } else {
          assert.ok(!isTaken.slice(start, start + length).includes(true), `${start}+${length} was taken`)
          assert.ok(start + length <= units)
          isTaken.fill(true, start, start + length)
          taken.push({ start, length })
        }
        const free = new Array<boolean>(units).fill(false)
        for (const extent of extents.free) free.fill(true, extent.start, extent.start + extent.length)
        assert.deepEqual(
          free,
          isTaken.map((each) => !each),
        )
      }
    }),
  )
})

test('what is free can not be given back', () => {
  const extents = new Extents(10)
  extents.take(4)
  extents.give(0, 4)
  assert.throws(() => extents.give(0, 4))
  extents.take(4)
  assert.throws(() => extents.give(2, 3))
})

test('the first that suffices is taken, so that what is in use stays together', () => {
  const extents = new Extents(10)
  assert.equal(extents.take(2), 0)
  assert.equal(extents.take(3), 2)
  assert.equal(extents.take(5), 5)
  assert.equal(extents.take(1), undefined)
  extents.give(0, 2)
  extents.give(5, 5)
  assert.equal(extents.take(3), 5)
  assert.equal(extents.take(2), 0)
})
