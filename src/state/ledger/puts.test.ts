import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spoiledMemory } from '../../../tests/support/spoiled-memory.js'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { noPins } from '../../base/pinned-memory.js'
import { systemRandom } from '../../base/random.js'
import { memoryStore } from '../store/memory.js'
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
function timedPuts() {
  const took = { ms: 0 }
  let nowMs = 0
  const bucket = memoryStore()
  const store = {
    ...bucket,
    putIfAbsent(key: string, body: readonly Uint8Array[]) {
      nowMs += took.ms
      return bucket.putIfAbsent(key, body)
    },
  }
  const clock = { ...systemClock, monotonic: () => nowMs }
  const rest = { random: systemRandom, log: silentLog(), observer: noLedgerObserver, pins: noPins }
  const puts = new Puts({ store, clock, ...rest })
  let keys = 0
  const putMany = async (count: number, isEntry: boolean, bytes = 1) => {
    for (let at = 0; at < count; at++) await puts.put(`key/${keys++}`, [Buffer.alloc(bytes)], () => false, isEntry)
  }
  const asked = (count: number) => Array.from({ length: count }, () => puts.loseLittle(1_000)).filter(Boolean).length
  return { took, puts, putMany, asked }
}

test('a lost place costs little where entries are put in no time, whatever a lane takes, unless there is much to put', async () => {
  const { took, puts, putMany, asked } = timedPuts()
  took.ms = 0.05
  await putMany(23, true)
  assert.equal(asked(10), 0, 'too few to say')
  await putMany(1, true)
  assert.equal(asked(10), 10)
  assert.equal(puts.loseLittle(64 * 1024 + 1), false)
  took.ms = 2
  await putMany(100, false)
  await putMany(100, true, 64 * 1024 + 1)
  assert.equal(asked(10), 10)
  // One that was held up says nothing, many do.
  await putMany(8, true)
  assert.equal(asked(10), 10)
  await putMany(1, true)
  assert.equal(asked(10), 0)
})

test('where entries are not put in no time, it is tried now and then whether they are, the more seldom the longer', async () => {
  const { took, putMany, asked } = timedPuts()
  took.ms = 1
  await putMany(1, true)
  assert.equal(asked(32 + 64 + 64), 3)
  await putMany(20, true)
  assert.equal(asked(64 + 1_024 + 1_024), 3)
  took.ms = 0.1
  await putMany(1, true)
  assert.equal(asked(1_024 + 320), 11)
  // No trial where it is far from that.
  took.ms = 60
  await putMany(20, true)
  assert.equal(asked(100_000), 0)
})
