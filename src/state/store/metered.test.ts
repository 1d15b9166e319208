import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.js'
import { memoryStore } from './memory.js'
import { metered, type StoreRequest } from './metered.js'
import type { ObjectStore } from './object-store.js'

/** A metered memory store and what was reported of it; each look at its clock is a millisecond later. */
function meteredMemory() {
  let now = 0
  const requests: StoreRequest[] = []
  const clock = { ...systemClock, monotonic: () => now++ }
  const memory = memoryStore()
  const store = metered(memory, { finished: (request) => requests.push(request) }, clock)
  return { memory, store, requests }
}

test('each request is reported with its outcome, bytes and time', async () => {
  const { store, requests } = meteredMemory()
  await store.putIfAbsent('a/1', [Buffer.from('ab'), Buffer.from('c')])
  await store.putIfAbsent('a/1', [Buffer.from('abc')])
  await store.get('a/1')
  await store.get('a/1', { position: 1, length: 1 })
  await store.get('a/2')
  await store.delete(['a/1', 'a/2'])
  assert.deepEqual(requests, [
    { operation: 'put', outcome: 'ok', durationMs: 1, bytes: 3, objects: 1 },
    { operation: 'put', outcome: 'exists', durationMs: 1, bytes: 3, objects: 0 },
    { operation: 'get', outcome: 'ok', durationMs: 1, bytes: 3, objects: 1 },
    { operation: 'get', outcome: 'ok', durationMs: 1, bytes: 1, objects: 1 },
    { operation: 'get', outcome: 'absent', durationMs: 1, bytes: 0, objects: 0 },
    { operation: 'delete', outcome: 'ok', durationMs: 1, bytes: 0, objects: 2 },
  ])
})

test('a listing is reported once, with the time spent in the store, also when it is left early', async () => {
  const { store, requests } = meteredMemory()
  for (const key of ['a/1', 'a/2', 'a/3']) await store.putIfAbsent(key, [])
  requests.length = 0
  for await (const object of store.list('a/')) assert.ok(object.key)
  for await (const object of store.list('a/')) if (object.key === 'a/2') break
  assert.deepEqual(requests, [
    { operation: 'list', outcome: 'ok', durationMs: 4, bytes: 0, objects: 3 },
    { operation: 'list', outcome: 'ok', durationMs: 2, bytes: 0, objects: 2 },
  ])
})

test('a failure is reported, and thrown', async () => {
  const { memory, requests } = meteredMemory()
  const error = new Error('down')
  const down = {
    ...memory,
    get: () => Promise.reject(error),
    list: async function* () {
      yield { key: 'a', size: 0 }
      throw error
    },
  }
  const store = metered(down, { finished: (request) => requests.push(request) }, systemClock)
  await assert.rejects(store.get('a'), error)
  await assert.rejects(async () => {
    for await (const object of store.list('')) assert.ok(object)
  }, error)
  assert.deepEqual(
    requests.map(({ operation, outcome, error }) => ({ operation, outcome, error })),
    [
      { operation: 'get', outcome: 'error', error },
      { operation: 'list', outcome: 'error', error },
    ],
  )
})

test('what is had at once is reported as a get, and what is not is left to the get that follows', () => {
  const requests: StoreRequest[] = []
  let now = 0
  const clock = { ...systemClock, monotonic: () => now++ }
  const bare: ObjectStore = {
    ...memoryStore(),
    getNow: (key) => (key === 'a/1' ? { bytes: Buffer.from('abc'), size: 5 } : undefined),
  }
  const store = metered(bare, { finished: (request) => requests.push(request) }, clock)
  assert.equal(store.getNow?.('a/1', { position: 0, length: 3 }, Buffer.alloc)?.size, 5)
  assert.equal(store.getNow?.('a/2', { position: 0, length: 3 }, Buffer.alloc), undefined)
  assert.deepEqual(requests, [{ operation: 'get', outcome: 'ok', durationMs: 1, bytes: 3, objects: 1 }])
  assert.equal(meteredMemory().store.getNow, undefined)
})

test('what is lent is reported, and again when it is given back', () => {
  const events: string[] = []
  const bare: ObjectStore = {
    ...memoryStore(),
    getNow: (_key, _range, _allocate, mayLend) => ({
      bytes: Buffer.from('abc'),
      size: 5,
      ...(mayLend && { release: () => events.push('released') }),
    }),
  }
  const observer = {
    finished: ({ bytes }: StoreRequest) => events.push(`got ${bytes}`),
    lent: (bytes: number) => events.push(`lent ${bytes}`),
    givenBack: (bytes: number) => events.push(`back ${bytes}`),
  }
  const store = metered(bare, observer, systemClock)
  assert.equal(store.getNow?.('a', { position: 0, length: 3 }, Buffer.alloc)?.release, undefined)
  store.getNow?.('a', { position: 0, length: 3 }, Buffer.alloc, true)?.release?.()
  assert.deepEqual(events, ['got 3', 'got 3', 'lent 3', 'back 3', 'released'])
})
