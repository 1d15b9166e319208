import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, systemClock } from '../../base/clock.js'
import { StoreError } from '../../base/errors.js'
import { seededRandom } from '../../base/random.js'
import { memoryStore } from './memory.js'
import type { ObjectStore } from './object-store.js'
import { putOwn, retrying, withRetries } from './retrying.js'

/** A clock whose sleeps pass at once, and are noted. */
function quickClock(): Clock & { slept: number[] } {
  let now = 0
  const slept: number[] = []
  return {
    ...systemClock,
    slept,
    monotonic: () => now,
    async sleep(ms) {
      slept.push(ms)
      now += ms
    },
  }
}

const failure = (retry: boolean, slowDown = false) => new StoreError('failed', { key: 'k', retry, slowDown })

/** A request that fails so many times before it succeeds. */
function failing(times: number, error: Error) {
  let calls = 0
  return {
    calls: () => calls,
    async request() {
      if (calls++ < times) throw error
      return 'done'
    },
  }
}

test('a request that may succeed later is repeated, with growing and bounded waits', async () => {
  const clock = quickClock()
  const { request, calls } = failing(9, failure(true))
  const random = { ...seededRandom(1), next: () => 0.999 }
  const result = await withRetries(request, { clock, random, attemptsMax: 10, backoffMs: 100, backoffMsMax: 2_000 })
  assert.equal(result, 'done')
  assert.equal(calls(), 10)
  assert.deepEqual(
    clock.slept.map((ms) => Math.round(ms)),
    [100, 200, 400, 799, 1598, 1998, 1998, 1998, 1998],
  )
})

test('the waits are spread over the whole of their length', async () => {
  const clock = quickClock()
  const options = { clock, random: seededRandom(3), attemptsMax: 200, backoffMs: 100, backoffMsMax: 100, totalMs: 1e9 }
  await withRetries(failing(199, failure(true)).request, options)
  assert.ok(Math.min(...clock.slept) < 10)
  assert.ok(Math.max(...clock.slept) > 90)
})

test('a store that asks to slow down is left alone for longer', async () => {
  const clock = quickClock()
  const random = { ...seededRandom(1), next: () => 1 }
  await withRetries(failing(2, failure(true, true)).request, { clock, random, backoffMs: 100 })
  assert.deepEqual(clock.slept, [200, 400])
})

test('an error that lasts, or is no error of the store, is thrown at once', async () => {
  for (const error of [failure(false), new TypeError('bug')]) {
    const { request, calls } = failing(1, error)
    await assert.rejects(withRetries(request, { clock: quickClock(), random: seededRandom(1) }), error)
    assert.equal(calls(), 1)
  }
})

test('attempts and time are bounded', async () => {
  const tries = failing(100, failure(true))
  await assert.rejects(withRetries(tries.request, { clock: quickClock(), random: seededRandom(1), attemptsMax: 4 }))
  assert.equal(tries.calls(), 4)
  const clock = quickClock()
  const late = failing(1e6, failure(true))
  const options = { clock, random: seededRandom(1), attemptsMax: 1e6, totalMs: 10_000, backoffMsMax: 1_000 }
  await assert.rejects(withRetries(late.request, options))
  assert.ok(clock.monotonic() <= 10_000)
  assert.ok(late.calls() > 10)
})

test('a request that is not answered for longer than all attempts may take is repeated once', async () => {
  const clock = quickClock()
  let calls = 0
  const unanswered = async () => {
    calls++
    await clock.sleep(10_000)
    throw failure(true)
  }
  await assert.rejects(withRetries(unanswered, { clock, random: seededRandom(1), totalMs: 3_000 }), StoreError)
  assert.equal(calls, 2)
})

test('closing the store ends the waiting', async () => {
  const store: ObjectStore = {
    ...memoryStore(),
    get: async () => {
      throw failure(true)
    },
  }
  const closing = retrying(store, {
    clock: systemClock,
    random: seededRandom(1),
    backoffMs: 60_000,
    totalMs: 1e6,
    backoffMsMax: 60_000,
  })
  const read = assert.rejects(closing.get('a'), { name: 'StoreError' })
  await closing.close()
  await read
})

test('a put is not repeated, so that nobody takes its own success for that of another', async () => {
  let puts = 0
  const store: ObjectStore = {
    ...memoryStore(),
    putIfAbsent: async () => {
      puts++
      throw failure(true)
    },
  }
  await assert.rejects(retrying(store, { clock: quickClock(), random: seededRandom(1) }).putIfAbsent('a', []))
  assert.equal(puts, 1)
})

test('a listing that fails goes on where it was', async () => {
  const memory = memoryStore()
  const keys = Array.from({ length: 10 }, (_, i) => `a/${i}`)
  for (const key of keys) await memory.putIfAbsent(key, [])
  let failures = 0
  const store: ObjectStore = {
    ...memory,
    async *list(prefix, options) {
      let given = 0
      for await (const object of memory.list(prefix, options)) {
        if (given++ === 2) {
          failures++
          throw failure(true)
        }
        yield object
      }
    },
  }
  // Fewer attempts than failures: they are counted anew when the listing got further.
  const flaky = retrying(store, { clock: quickClock(), random: seededRandom(1), attemptsMax: 2 })
  const listed: string[] = []
  for await (const { key } of flaky.list('a/', { after: 'a/0', limit: 8 })) listed.push(key)
  assert.deepEqual(listed, keys.slice(1, 9))
  assert.ok(failures >= 3)
})

test('a watch is handed through, and absent where the store has none', () => {
  const options = { clock: quickClock(), random: seededRandom(1) }
  assert.equal(typeof retrying(memoryStore(), options).watch, 'function')
  const { watch, ...blind } = memoryStore()
  assert.equal(retrying(blind, options).watch, undefined)
})

test("a writer's own object is stored in spite of unknown outcomes", async () => {
  for (const effective of [true, false]) {
    const memory = memoryStore()
    let failures = 3
    const store: ObjectStore = {
      ...memory,
      async putIfAbsent(key, body) {
        if (failures-- <= 0) return memory.putIfAbsent(key, body)
        if (effective) await memory.putIfAbsent(key, body)
        throw failure(true)
      },
    }
    await putOwn(store, 'own/1', [Buffer.from('a'), Buffer.from('b')], { clock: quickClock(), random: seededRandom(1) })
    assert.equal((await memory.get('own/1'))?.bytes.toString(), 'ab')
  }
})

test("a writer's own key that holds something else is reported as corrupt", async () => {
  const store = memoryStore()
  const options = { clock: quickClock(), random: seededRandom(1) }
  await putOwn(store, 'own/1', [Buffer.from('ab')], options)
  await putOwn(store, 'own/1', [Buffer.from('a'), Buffer.from('b')], options)
  await assert.rejects(putOwn(store, 'own/1', [Buffer.from('ac')], options), { name: 'CorruptObjectError' })
})
