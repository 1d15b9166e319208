import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { Gate } from './gate.js'
import { memoryStore } from './memory.js'
import type { ObjectStore } from './object-store.js'
import { byPurpose, noPurposeObserver, underWayMax } from './purposes.js'

test('a gate lets so many through at once, in the order in which they came, also after failures', async () => {
  const gate = new Gate(2)
  const begun: number[] = []
  const ends: (() => void)[] = []
  const passes = Array.from({ length: 5 }, (_, i) =>
    gate.pass(
      () =>
        new Promise<void>((resolve, reject) => {
          begun.push(i)
          ends.push(i === 0 ? () => reject(new Error('failed')) : resolve)
        }),
    ),
  )
  const settled = Promise.allSettled(passes)
  assert.deepEqual(begun, [0, 1])
  assert.equal(gate.isFull, true)
  for (let i = 0; i < 5; i++) {
    ends[i]?.()
    await new Promise<void>((resolve) => setImmediate(resolve))
    assert.deepEqual(begun, [0, 1, 2, 3, 4].slice(0, i + 3))
  }
  const outcomes = (await settled).map(({ status }) => status)
  assert.deepEqual(outcomes, ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'])
  assert.equal(gate.underWay, 0)
})

/** A store that answers when it is told to. */
function held(kind: ObjectStore['kind']): { store: ObjectStore; begun: string[] } {
  const begun: string[] = []
  const store: ObjectStore = {
    ...memoryStore(),
    kind,
    get(key) {
      begun.push(key)
      return new Promise(() => undefined)
    },
    putIfAbsent(key) {
      begun.push(key)
      return new Promise(() => undefined)
    },
  }
  return { store, begun }
}

test('a hundred reads of a backfill hold up neither the ledger nor those who read at the tail', () => {
  const { store, begun } = held('paid')
  const stores = byPurpose(store, new ManualClock(), noPurposeObserver)
  for (let i = 0; i < 100; i++) void stores.backfill.get(`backfill/${i}`)
  for (let i = 0; i < 100; i++) void stores.upkeep.putIfAbsent(`segments/${i}`, [])
  assert.equal(begun.length, underWayMax.backfill + underWayMax.upkeep)
  void stores.tail.get('tail/0')
  void stores.ledger.putIfAbsent('ledger/0', [])
  assert.deepEqual(begun.slice(-2), ['tail/0', 'ledger/0'])
  for (let i = 0; i < 100; i++) void stores.ledger.get(`lanes/${i}`)
  assert.equal(begun.at(-1), 'lanes/99')
})

test('nothing waits at a local store', () => {
  const { store, begun } = held('local')
  const stores = byPurpose(store, new ManualClock(), noPurposeObserver)
  for (let i = 0; i < 100; i++) void stores.backfill.get(`backfill/${i}`)
  assert.equal(begun.length, 100)
})

test('requests are counted by what they are for, and so is the time for which they wait', async () => {
  const asked: string[] = []
  const waits: [string, number][] = []
  const clock = new ManualClock()
  const answers: (() => void)[] = []
  const memory = memoryStore()
  const store: ObjectStore = {
    ...memory,
    kind: 'paid',
    get: (key) => new Promise((resolve) => answers.push(() => resolve(memory.get(key)))),
  }
  const stores = byPurpose(store, clock, {
    ...noPurposeObserver,
    asked: (purpose, operation) => asked.push(`${purpose} ${operation}`),
    waited: (purpose, seconds) => waits.push([purpose, seconds]),
  })
  const reads = Array.from({ length: underWayMax.backfill + 1 }, () => stores.backfill.get('ledger/0/1'))
  await stores.ledger.putIfAbsent('ledger/0/1', [Buffer.from('x')])
  await clock.advance(2_000)
  for (let i = 0; i < reads.length; i++) {
    answers[i]?.()
    await reads[i]
  }
  assert.deepEqual(waits, [['backfill', 2]])
  assert.equal(asked.filter((line) => line === 'backfill get').length, reads.length)
  assert.equal(asked.includes('ledger put'), true)
})

test('what is had at once counts for its purpose, and waits for nobody', () => {
  for (const kind of ['local', 'paid'] as const) {
    const { store } = held(kind)
    const asked: string[] = []
    const near: ObjectStore = {
      ...store,
      getNow: (key) => (key === 'a' ? { bytes: Buffer.alloc(1), size: 1 } : undefined),
    }
    const stores = byPurpose(near, new ManualClock(), {
      ...noPurposeObserver,
      asked: (...what) => asked.push(what.join()),
    })
    const now = (key: string) => stores.backfill.getNow?.(key, { position: 0, length: 1 }, Buffer.alloc)
    assert.equal(now('a')?.size, 1)
    assert.equal(now('b'), undefined)
    assert.deepEqual(asked, ['backfill,get'])
    assert.equal(byPurpose(store, new ManualClock(), noPurposeObserver).tail.getNow, undefined)
  }
})
