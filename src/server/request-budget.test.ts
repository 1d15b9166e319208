import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestBudget } from './request-budget.js'

const MiB = 1024 * 1024

test('bytes are given until there are none, and again when some come back', () => {
  const budget = new RequestBudget(100)
  assert.equal(budget.take(60), true)
  assert.equal(budget.take(50), false)
  assert.equal(budget.take(40), true)
  budget.release(60)
  assert.equal(budget.used, 40)
  assert.equal(budget.take(50), true)
})

test('a request larger than the whole budget is let in alone', () => {
  const budget = new RequestBudget(100)
  assert.equal(budget.take(500), true)
  assert.equal(budget.take(1), false)
  budget.release(500)
  assert.equal(budget.take(1), true)
})

test('large frames leave half of the budget to small ones', () => {
  const budget = new RequestBudget(100 * MiB)
  assert.equal(budget.take(60 * MiB), true)
  assert.equal(budget.take(2 * MiB), false)
  assert.equal(budget.take(1000), true)
})

test('those who wait are asked in their order, each once, until the bytes are gone', () => {
  const budget = new RequestBudget(100)
  budget.take(100)
  const asked: string[] = []
  const waiter = (name: string, bytes: number) => {
    const self = {
      bytesFreed() {
        asked.push(name)
        if (!budget.take(bytes)) budget.wait(self, bytes)
      },
    }
    budget.wait(self, bytes)
    return self
  }
  waiter('a', 60)
  waiter('b', 60)
  waiter('c', 40)
  budget.forget(waiter('d', 1))
  budget.release(100)
  assert.deepEqual(asked, ['a', 'b', 'c'])
  assert.equal(budget.used, 100)
  budget.release(60)
  assert.deepEqual(asked, ['a', 'b', 'c', 'b'])
  assert.equal(budget.used, 100)
})
