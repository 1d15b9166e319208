import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Part } from './entry.js'
import type { PendingPart } from './pending-part.js'
import { Placements } from './placements.js'

const part = (writer: number, index: number) => ({ writer, index }) as Part
const pending = (index: number) => ({ part: part(1, index), sequence: 0, lane: 'no' }) as PendingPart

test('parts whose entry does not stand where it was to have no place any more, but for those that were placed again', () => {
  const placements = new Placements()
  const [first, second] = [pending(1), pending(2)]
  const [third, fourth] = [part(2, 7), part(2, 8)]
  placements.add(5, { own: [first, second], foreign: [third, fourth], isAnswered: false })
  assert.deepEqual([first.sequence, second.sequence, placements.placeOf(third)], [5, 5, 5])
  placements.add(6, { own: [second], foreign: [fourth], isAnswered: false })
  assert.equal(placements.displace(5), true)
  assert.deepEqual([first.sequence, second.sequence], [0, 6])
  assert.deepEqual([placements.placeOf(third), placements.placeOf(fourth)], [0, 6])
  assert.equal(placements.displace(5), false)
  assert.equal(placements.displace(4), false)
})

test('a place is unanswered until the store has said what stands there, and an entry of ours until it is forgotten', () => {
  const placements = new Placements()
  const placement = { own: [pending(1)], foreign: [], isAnswered: false }
  placements.add(5, placement)
  assert.deepEqual([placements.isUnanswered(5), placements.isUnanswered(6)], [true, false])
  placement.isAnswered = true
  assert.equal(placements.isUnanswered(5), false)
  assert.deepEqual([placements.forget(5), placements.forget(5)], [true, false])
})
