import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlacementOrder } from './placement-order.js'

const wellPlaced = (...sequences: number[]) => {
  const order = new PlacementOrder()
  return sequences.map((sequence) => order.isWellPlaced(sequence))
}

test('parts that are placed in their order are left alone', () => {
  assert.deepEqual(wellPlaced(5, 5, 6, 9), [true, true, true, true])
})

test('a part without a place takes with it those after it, wherever they are placed', () => {
  assert.deepEqual(wellPlaced(5, 0, 6, 7), [true, false, false, false])
})

test('a part placed before the one it has to follow is to be placed again', () => {
  assert.deepEqual(wellPlaced(9, 6, 7), [true, false, false])
})
