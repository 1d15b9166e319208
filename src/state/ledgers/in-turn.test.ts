import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InTurn } from './in-turn.js'

const never = () => false
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('those who wait go in the order in which they came, and do not wait for each other to end', async () => {
  const ready: (() => void)[] = []
  const inTurn = new InTurn(() => new Promise((resolve) => ready.push(resolve)))
  const begun: string[] = []
  const forEver = () => new Promise<void>(() => undefined)
  for (const name of ['first', 'second', 'third'])
    void inTurn.pass(never, () => {
      begun.push(name)
      return forEver()
    })
  for (const expected of [[], ['first'], ['first', 'second']]) {
    await settled()
    assert.deepEqual(begun, expected)
    assert.ok(inTurn.isAwaited)
    ready.shift()?.()
  }
  await settled()
  assert.deepEqual(begun, ['first', 'second', 'third'])
  assert.equal(inTurn.isAwaited, false)
})

test('whom it fails for hears so, and the next one has its turn', async () => {
  const outcomes = [new Error('the store is away'), undefined]
  const inTurn = new InTurn(async () => {
    const error = outcomes.shift()
    if (error !== undefined) throw error
  })
  const failed = inTurn.pass(never, async () => 'never')
  const passed = inTurn.pass(never, async () => 'passed')
  await assert.rejects(failed, /the store is away/)
  assert.equal(await passed, 'passed')
  await assert.rejects(
    inTurn.pass(never, () => Promise.reject(new Error('refused'))),
    /refused/,
  )
  assert.equal(inTurn.isAwaited, false)
})

test('who is ready when its turn comes has nothing done for it', async () => {
  let prepared = 0
  const inTurn = new InTurn(async () => {
    prepared++
  })
  const isPrepared = () => prepared > 0
  const passes = Array.from({ length: 100 }, (_, i) => inTurn.pass(isPrepared, async () => i))
  assert.deepEqual(
    await Promise.all(passes),
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.equal(prepared, 1)
})
