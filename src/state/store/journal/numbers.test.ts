import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Numbers } from './numbers.js'

const few = fc.array(fc.nat(30), { maxLength: 40 })

function numbersOf(set: Iterable<number>): Numbers {
  const numbers = new Numbers()
  for (const number of set) numbers.add(number)
  return numbers
}

const listOf = (numbers: Numbers) => Array.from({ length: 40 }, (_, number) => number).filter((n) => numbers.has(n))
const sorted = (set: Set<number>) => [...set].sort((a, b) => a - b)

test('numbers behave like a set of them, in whatever order they come and go', () => {
  fc.assert(
    fc.property(few, few, (added, removed) => {
      const set = new Set(added)
      const numbers = numbersOf(added)
      for (const number of removed) {
        set.delete(number)
        numbers.remove(number)
      }
      assert.deepEqual(listOf(numbers), sorted(set))
      assert.equal(numbers.count, set.size)
      assert.equal(numbers.first, sorted(set)[0])
      assert.deepEqual(listOf(new Numbers(numbers.bounds())), sorted(set))
    }),
  )
})

test('ranges stay apart and in order, so that numbers that follow one another are one', () => {
  fc.assert(
    fc.property(few, (added) => {
      const bounds = numbersOf(added).bounds()
      for (let i = 1; i < bounds.length; i++) assert.ok((bounds[i - 1] as number) < (bounds[i] as number))
    }),
  )
  assert.deepEqual(numbersOf([5, 3, 4, 9]).bounds(), [3, 6, 9, 10])
})

test('those that others have not are what is left', () => {
  fc.assert(
    fc.property(few, few, (some, others) => {
      const left = numbersOf(some).without(numbersOf(others))
      assert.deepEqual(listOf(left), sorted(new Set(some.filter((number) => !others.includes(number)))))
    }),
  )
})
