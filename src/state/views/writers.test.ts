import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pack } from '../ledger/entry.js'
import { Writers } from './writers.js'

test('a part counts once and in order, and never again once its writer is forgotten', () => {
  const writer = fc.integer({ min: 1, max: 6 })
  const step = fc.oneof(
    fc.record({ kind: fc.constant('part' as const), writer, index: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('forget' as const), writer, index: fc.integer({ min: 1, max: 3 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let writers = new Writers()
      const indexes = new Map<number, number>()
      const forgotten = new Set<number>()
      for (const { kind, writer: each, index } of steps) {
        const last = indexes.get(each) ?? 0
        if (kind === 'forget') {
          if (last === index && !forgotten.has(each)) {
            forgotten.add(each)
            // Of lower numbers that never wrote nobody is to be heard either.
            for (let lower = 1; lower < each; lower++) if (!indexes.has(lower)) forgotten.add(lower)
          }
          writers.forget(each, index)
        } else {
          const isAdmitted = writers.admit(each, index, 0)
          assert.equal(isAdmitted, index === last + 1 && !forgotten.has(each))
          if (isAdmitted) indexes.set(each, index)
        }
        assert.equal(writers.isForgotten(each), forgotten.has(each))
        assert.ok(writers.highest() >= Math.max(0, ...indexes.keys()))
        const restored = Writers.fromSnapshot(writers.toSnapshot())
        assert.ok(pack(restored.toSnapshot()).equals(pack(writers.toSnapshot())))
        writers = restored
      }
    }),
  )
})
