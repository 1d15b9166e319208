import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spoiledMemory } from '../../../tests/support/spoiled-memory.js'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { noPins } from '../../base/pinned-memory.js'
import { systemRandom } from '../../base/random.js'
import { memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import { noLedgerObserver } from './observer.js'
import { Puts } from './puts.js'

test('the memory of what is being put stays as it is until the store has answered', async () => {
  const memory = spoiledMemory()
  const bucket = memoryStore()
  let reach = () => {}
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const store = {
    ...bucket,
    async putIfAbsent(key: string, body: readonly Uint8Array[]) {
      await reached
      return bucket.putIfAbsent(key, body)
    },
  }
  const puts = new Puts({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog(),
    observer: noLedgerObserver,
    pins: memory,
  })
  const bytes = memory.take(5)
  bytes.write('hello')
  const put = puts.put('key', [bytes], () => false, true)
  memory.unpin(bytes)
  reach()
  assert.equal(await put, 'created')
  assert.equal(`${(await bucket.get('key'))?.bytes}`, 'hello')
  // Now nobody uses it.
  assert.notEqual(`${bytes}`, 'hello')
})

/** Puts into a store that takes `took.ms` for each, on a clock of its own. */
function timedPuts(kind: ObjectStore['kind']) {
  const took = { ms: 0 }
  let nowMs = 0
  const bucket = memoryStore()
  const store: ObjectStore = {
    ...bucket,
    kind,
    putIfAbsent(key, body) {
      nowMs += took.ms
      return bucket.putIfAbsent(key, body)
    },
  }
  const clock = { ...systemClock, monotonic: () => nowMs }
  const rest = { random: systemRandom, log: silentLog(), observer: noLedgerObserver, pins: noPins }
  const puts = new Puts({ store, clock, ...rest })
  let keys = 0
  const put = (key: string, isEntry: boolean, bytes: number) =>
    puts.put(key, [Buffer.alloc(bytes)], () => false, isEntry)
  const win = async (count: number, isEntry = true, bytes = 1) => {
    for (let at = 0; at < count; at++) assert.equal(await put(`key/${keys++}`, isEntry, bytes), 'created')
  }
  const lose = async (count: number, isEntry = true, bytes = 1) => {
    await bucket.putIfAbsent('taken', [])
    for (let at = 0; at < count; at++) assert.equal(await put('taken', isEntry, bytes), 'exists')
  }
  const competed = (count: number) =>
    Array.from({ length: count }, () => puts.decideToCompete(1_000)).filter(Boolean).length
  return { took, puts, win, lose, competed }
}

test('writers compete where it takes no time to find a place taken, however long it takes to get one, with little to put', async () => {
  const { took, puts, win, lose, competed } = timedPuts('local')
  assert.equal(competed(10), 10, 'a local store is taken for quick')
  assert.equal(puts.decideToCompete(64 * 1024 + 1), false)
  took.ms = 2
  await win(100)
  await win(100, false)
  await lose(100, false)
  await lose(100, true, 64 * 1024 + 1)
  assert.equal(competed(10), 10)
  // One that was held up says nothing, many do.
  await lose(7)
  assert.equal(competed(10), 10)
  await lose(2)
  assert.equal(competed(10), 0)
  // To get one at once is as good.
  took.ms = 0.05
  await win(23)
  assert.equal(competed(10), 0, 'too few to say')
  await win(1)
  assert.equal(competed(10), 10)
})

test('where places are not found taken at once, it is tried now and then whether they are, the more seldom the longer', async () => {
  const { took, win, lose, competed } = timedPuts('paid')
  took.ms = 1
  assert.equal(competed(31), 0, 'a paid store is taken for slow')
  assert.equal(competed(1), 1)
  await lose(1)
  assert.equal(competed(64 + 64), 2)
  await lose(20)
  assert.equal(competed(32 + 1_024), 2)
  took.ms = 0.1
  await win(1)
  assert.equal(competed(1_024 + 320), 11)
  // No trial where it is far from that.
  took.ms = 60
  await win(20)
  assert.equal(competed(100_000), 0)
})
