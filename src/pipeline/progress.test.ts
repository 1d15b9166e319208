import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createProgress, type Delivery } from './progress.js'

test('the position never passes a record that is not done, whatever the order they finish in', () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(gaps, fc.infiniteStream(fc.nat()), (steps, choice) => {
      const progress = createProgress(0, () => {})
      const open = new Map<number, Delivery>()
      let offset = 0
      for (const step of steps) {
        open.set(
          offset,
          progress.begin(offset, () => {}),
        )
        offset += step
      }
      progress.skipTo(offset)
      for (const pick of choice) {
        if (open.size === 0) break
        const chosen = [...open.keys()][pick % open.size] ?? 0
        open.get(chosen)?.done()
        open.delete(chosen)
        assert.equal(progress.position, Math.min(...open.keys(), offset))
      }
    }),
  )
})

test('a record is done when all of its parts are', () => {
  let moves = 0
  const progress = createProgress(5, () => moves++)
  let finished = 0
  const delivery = progress.begin(5, () => finished++)
  delivery.expect()
  delivery.done()
  assert.deepEqual([progress.position, progress.pending, finished], [5, 1, 0])
  delivery.done()
  assert.deepEqual([progress.position, progress.pending, finished, moves], [6, 0, 1, 1])
})
