import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.js'
import { Gathering } from './gathering.js'
import { Traffic } from './traffic.js'

const [us, other] = [1, 2]

/** A gathering on an event loop that turns when it is told to; how many turns it takes until it is over, while more comes with each. */
function gathering(entriesOfOthers: number) {
  const tasks: (() => void)[] = []
  const clock = { ...systemClock, monotonic: () => 0, soon: (task: () => void) => void tasks.push(task) }
  const traffic = new Traffic(clock, us, () => 0)
  for (let entry = 0; entry < entriesOfOthers; entry++) traffic.applied(other)
  let [waiting, gathered] = [0, 0]
  const begun = new Gathering({ clock, traffic, waiting: () => waiting, onGathered: () => gathered++ })
  return {
    turns(arrivals: readonly number[]): number {
      gathered = 0
      waiting = 1
      begun.begin()
      begun.begin()
      for (let turn = 0; ; turn++) {
        waiting += arrivals[turn] ?? 0
        for (const task of tasks.splice(0)) task()
        if (tasks.length === 0) {
          assert.equal(gathered, 1)
          return turn + 1
        }
      }
    },
  }
}

test('who writes alone waits for what came in together, and no longer', () => {
  const { turns } = gathering(99)
  assert.equal(turns([]), 1)
  assert.equal(turns([5, 5, 5]), 1)
})

test('while others are busy it is waited as long as more comes with each turn, but not for ever', () => {
  const { turns } = gathering(100)
  assert.equal(turns([]), 2)
  assert.equal(turns([5]), 2)
  assert.equal(turns([5, 1]), 3)
  assert.equal(turns([1, 1, 1, 1, 1, 1, 1, 1]), 5)
})
