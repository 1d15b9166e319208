import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { StoreError } from '../../base/errors.js'
import { hedging } from './hedging.js'
import { memoryStore } from './memory.js'
import type { ObjectStore } from './object-store.js'

const body = [Buffer.from('entry')]
const key = (n: number) => `ledger/0/${n}`

/** A store whose requests take as long as `took` says, one after the other, and effect at once; and all that was asked of it. */
function timed() {
  const clock = new ManualClock()
  const took: (number | 'fails')[] = []
  const asked: string[] = []
  const memory = memoryStore()
  const wait = async () => {
    const ms = took.shift() ?? 50
    await clock.sleep(ms === 'fails' ? 300 : ms)
    if (ms === 'fails') throw new StoreError('failed', { key: '', retry: true })
  }
  const slow: ObjectStore = {
    ...memory,
    kind: 'paid',
    async putIfAbsent(name, pieces) {
      asked.push(`put ${name}`)
      const outcome = await memory.putIfAbsent(name, pieces)
      await wait()
      return outcome
    },
    async get(name, range) {
      asked.push(`get ${name}`)
      await wait()
      return memory.get(name, range)
    },
  }
  const hedges: string[] = []
  const store = hedging(slow, clock, {
    hedged: (operation, isFirst) => hedges.push(`${operation} ${isFirst ? 'first' : 'late'}`),
  })
  const elapse = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) await clock.advance(10)
  }
  /** So many puts of the usual time. */
  const getToKnow = async () => {
    for (let n = 0; n < 64; n++) {
      const put = store.putIfAbsent(key(n), body)
      await elapse(50)
      await put
    }
    asked.length = 0
  }
  return { clock, took, asked, store, hedges, elapse, getToKnow }
}

/** Whether a promise is settled by now, and how. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  const pending = Symbol('pending')
  const found = await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])
  return found === pending ? 'pending' : found
}

test('a put that takes unusually long is made again, and the answer that comes first counts', async () => {
  const { took, asked, store, hedges, elapse, getToKnow } = timed()
  await getToKnow()
  took.push(900, 40)
  const put = store.putIfAbsent(key(100), body)
  await elapse(40)
  assert.equal(asked.length, 1)
  await elapse(80)
  assert.deepEqual(asked, [`put ${key(100)}`, `put ${key(100)}`])
  assert.equal(await stateOf(put), 'pending')
  await elapse(50)
  // The first took effect: whether that was our own doing, who put it must find out.
  assert.equal(await stateOf(put), 'exists')
  await elapse(900)
  assert.deepEqual(hedges, ['put first'])
})

test('a put of the usual length is made once, and nothing is made twice before it is known what is usual', async () => {
  const { took, asked, store, elapse, getToKnow } = timed()
  took.push(900)
  const early = store.putIfAbsent(key(200), body)
  await elapse(900)
  assert.equal(await early, 'created')
  assert.equal(asked.length, 1)
  await getToKnow()
  const put = store.putIfAbsent(key(100), body)
  await elapse(50)
  assert.equal(await put, 'created')
  await elapse(1_000)
  assert.equal(asked.length, 1)
})

test('a request fails only when both of its attempts have failed', async () => {
  const { took, store, elapse, getToKnow } = timed()
  await getToKnow()
  took.push('fails', 400)
  const saved = store.putIfAbsent(key(100), body)
  await elapse(1_000)
  assert.equal(await saved, 'exists')
  took.push('fails', 'fails')
  const lost = assert.rejects(store.putIfAbsent(key(101), body), StoreError)
  await elapse(1_000)
  await lost
})

test('what is overdue is made again, though others were in vain, there is no room, or nobody knows what is usual', async () => {
  const { took, asked, store, hedges, elapse, getToKnow } = timed()
  took.push(10_000)
  const early = store.putIfAbsent(key(200), body)
  await elapse(1_600)
  assert.equal(await stateOf(early), 'exists')
  await elapse(9_000)
  await getToKnow()
  hedges.length = 0
  took.push(10_000, 'fails', 10_000, 40)
  const put = store.putIfAbsent(key(100), body)
  await elapse(2_900)
  assert.equal(await stateOf(put), 'pending')
  await elapse(300)
  assert.equal(await stateOf(put), 'exists')
  await elapse(10_000)
  assert.equal(asked.length, 4)
  assert.deepEqual(hedges, ['put late', 'put first', 'put late'])
})

test('second attempts stay within their budget however slow the store becomes, until they are overdue', async () => {
  const { took, asked, store, elapse, getToKnow } = timed()
  await getToKnow()
  const puts: Promise<unknown>[] = []
  for (let n = 0; n < 100; n++) {
    took.push(900)
    puts.push(store.putIfAbsent(key(1_000 + n), body))
  }
  await elapse(5_000)
  await Promise.all(puts)
  assert.ok(asked.length > 100, 'some were made again')
  assert.ok(asked.length <= 100 + 4, `${asked.length} requests`)
  // By now it is known that this is usual.
  asked.length = 0
  for (let n = 0; n < 100; n++) {
    took.push(2_000)
    puts.push(store.putIfAbsent(key(2_000 + n), body))
  }
  await elapse(3_000)
  await Promise.all(puts)
  assert.ok(asked.length <= 100 + 4, `${asked.length} requests`)
})

test('reads are made again too, but not of objects whose size is not known', async () => {
  const { took, asked, store, elapse } = timed()
  const range = { position: 0, length: 5 }
  for (let n = 0; n < 64; n++) {
    const get = store.get(key(n), range)
    await elapse(50)
    await get
  }
  asked.length = 0
  took.push(900, 10)
  const get = store.get(key(1), range)
  await elapse(100)
  assert.equal(await stateOf(get), undefined)
  assert.equal(asked.length, 2)
  took.push(900)
  const whole = store.get(key(1))
  await elapse(1_000)
  await whole
  assert.equal(asked.length, 3)
})
