import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Contents } from './contents.js'

test('objects are found by their numbers, whatever order they came in', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60), { maxLength: 50 }), fc.array(fc.nat(60)), (numbers, removed) => {
      const contents = new Contents()
      const expected = new Map<number, { position: number; length: number; body: unknown }>()
      for (const [index, number] of numbers.entries()) {
        const body = index % 3 === 0 ? { name: `f${index}`, position: index } : undefined
        const place = { position: index * 100, length: index, body }
        contents.add(number, place)
        expected.set(number, place)
      }
      for (const number of removed) {
        contents.remove(number)
        expected.delete(number)
      }
      assert.equal(contents.count, expected.size)
      assert.equal(
        contents.bytes,
        [...expected.values()].reduce((sum, { length }) => sum + length, 0),
      )
      for (let number = 0; number <= 61; number++) {
        assert.deepEqual(contents.find(number), expected.get(number))
        const next = [...expected.keys()].filter((other) => other >= number).sort((a, b) => a - b)[0]
        assert.equal(contents.from(number)?.number, next)
      }
    }),
  )
})
