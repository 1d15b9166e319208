import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { StoreError } from '../../base/errors.js'
import { checkConditionalPut } from './conditional-put.js'
import { MemoryBucket, memoryStore } from './memory.js'
import type { ObjectStore } from './object-store.js'

test('a store with create-if-absent passes, and nothing is left in it', async () => {
  const bucket = new MemoryBucket()
  await checkConditionalPut(memoryStore(bucket), 'probe/1')
  assert.equal(bucket.objects.size, 0)
})

test('a store that overwrites is refused, and told so', async () => {
  const bucket = new MemoryBucket()
  const overwriting: ObjectStore = {
    ...memoryStore(bucket),
    async putIfAbsent(key, body) {
      bucket.add(key, Buffer.concat(body))
      return 'created'
    },
  }
  await assert.rejects(checkConditionalPut(overwriting, 'probe/1'), /does not honour create-if-absent.*is second/)
  assert.equal(bucket.objects.size, 0)
})

test('a store that answers rightly but changes the object is refused', async () => {
  const bucket = new MemoryBucket()
  const store: ObjectStore = {
    ...memoryStore(bucket),
    async putIfAbsent(key, body) {
      const outcome = bucket.objects.has(key) ? 'exists' : 'created'
      bucket.add(key, Buffer.concat(body))
      return outcome
    },
  }
  await assert.rejects(checkConditionalPut(store, 'probe/1'), /does not honour/)
})

test('a store that looks first and writes then, with a gap between, is refused', async () => {
  const bucket = new MemoryBucket()
  const racy: ObjectStore = {
    ...memoryStore(bucket),
    async putIfAbsent(key, body) {
      if (bucket.objects.has(key)) return 'exists'
      await turn()
      bucket.add(key, Buffer.concat(body))
      return 'created'
    },
  }
  await assert.rejects(checkConditionalPut(racy, 'probe/1'), /8 puts of one key at once 8 created it/)
})

test('losers that are told to try again do not make a store unfit', async () => {
  const memory = memoryStore()
  const store: ObjectStore = {
    ...memory,
    async putIfAbsent(key, body) {
      const outcome = await memory.putIfAbsent(key, body)
      if (outcome === 'exists' && key.endsWith('race')) throw new StoreError('409', { key, retry: true })
      return outcome
    },
  }
  await checkConditionalPut(store, 'probe/1')
})
