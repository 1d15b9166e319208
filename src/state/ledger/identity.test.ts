import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { StoreError, UnavailableError } from '../../base/errors.js'
import { seededRandom } from '../../base/random.js'
import { MemoryBucket, memoryStore } from '../store/memory.js'
import { Fence, fenced } from './fence.js'
import { claimWriter } from './identity.js'
import { writerKey } from './keys.js'

const graceMs = 60_000
const random = seededRandom(1)

test('each process gets a number above all that were taken, and above all that have written', async () => {
  const store = memoryStore()
  assert.equal(await claimWriter(store, 0, random, 0), 1)
  assert.equal(await claimWriter(store, 0, random, 1), 2)
  await store.delete([writerKey(0, 1)])
  assert.equal(await claimWriter(store, 0, random, 0), 3)
  await store.delete([writerKey(0, 2), writerKey(0, 3)])
  assert.equal(await claimWriter(store, 0, random, 7), 8)
})

test('who looked before a number was taken does not get it after its claim was deleted', async () => {
  const bucket = new MemoryBucket()
  const store = memoryStore(bucket)
  await claimWriter(store, 0, random, 0)
  const clock = new ManualClock()
  // The number that follows is claimed, used and forgotten, and a higher one claimed, while the listing's answer is on its way.
  const slow = {
    ...store,
    async *list(prefix: string) {
      yield* store.list(prefix)
      for (let claims = 0; claims < 2; claims++) await claimWriter(store, 0, random, 0)
      await clock.advance(graceMs)
      await store.delete([writerKey(0, 1), writerKey(0, 2)])
    },
  }
  const late = claimWriter(fenced(slow, new Fence(clock, graceMs)), 0, random, 0)
  await assert.rejects(late, UnavailableError)
})

test('a start that does not reach the store for a while uses up no numbers, and takes no claim of another for its own', async () => {
  for (const [found, expected] of [
    ['ours', 1],
    ['nothing', 1],
    ['theirs', 2],
  ] as const) {
    const store = memoryStore()
    let failures = 50
    const shaky = {
      ...store,
      async putIfAbsent(key: string, body: readonly Uint8Array[]) {
        if (failures === 0) return store.putIfAbsent(key, body)
        failures--
        if (failures === 0 && found !== 'nothing')
          await store.putIfAbsent(key, found === 'ours' ? body : [Buffer.from('theirs')])
        throw new StoreError('put failed', { key, retry: true })
      },
    }
    assert.equal(await claimWriter(shaky, 0, random, 0), expected, found)
  }
})
