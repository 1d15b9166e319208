import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from './random.js'
import { type Ordered, UseOrder } from './use-order.js'

interface Named extends Ordered<Named> {
  name: number
}

/** From the oldest on, checked in both directions. */
function namesIn(order: UseOrder<Named>): number[] {
  const names: number[] = []
  for (let item = order.oldest; item !== undefined; item = item.newer) names.push(item.name)
  const back: number[] = []
  for (let item = order.newest; item !== undefined; item = item.older) back.unshift(item.name)
  assert.deepEqual(back, names)
  return names
}

test('items stand in the order of their last use, whatever is added, used and removed', () => {
  const random = seededRandom(1)
  const order = new UseOrder<Named>()
  const items = Array.from({ length: 6 }, (_, name): Named => ({ name, older: undefined, newer: undefined }))
  let expected: number[] = []
  for (let step = 0; step < 2_000; step++) {
    const item = items[Math.floor(random.next() * items.length)] as Named
    const others = expected.filter((name) => name !== item.name)
    if (!expected.includes(item.name)) {
      order.add(item)
      expected = [...others, item.name]
    } else if (random.next() < 0.5) {
      order.used(item)
      expected = [...others, item.name]
    } else {
      order.remove(item)
      expected = others
    }
    assert.deepEqual(namesIn(order), expected)
  }
})
