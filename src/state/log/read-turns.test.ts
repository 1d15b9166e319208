import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { ReadTurns } from './read-turns.js'

test('all readers share a turn, and those who wait for the next go on in their order', async () => {
  const clock = new ManualClock()
  const turns = new ReadTurns(clock)
  for (let i = 0; i < 16; i++) {
    assert.equal(turns.isOver, false)
    turns.spent(2 ** 20)
  }
  const read: string[] = []
  const reader = async (name: string) => {
    while (turns.isOver) await turns.next()
    read.push(name)
    turns.spent(2 ** 23)
  }
  const readers = Promise.all(['a', 'b', 'c', 'd', 'e'].map(reader))
  assert.deepEqual(read, [])
  for (let i = 0; i < 3; i++) await clock.advance(0)
  await readers
  assert.deepEqual(read, ['a', 'b', 'c', 'd', 'e'])
})
