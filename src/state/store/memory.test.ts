import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeContract } from '../../../tests/integration/store-contract.js'
import { MemoryBucket, memoryStore } from './memory.js'

storeContract('the memory store', {
  watches: true,
  async open() {
    const bucket = new MemoryBucket()
    return [memoryStore(bucket), memoryStore(bucket)]
  },
})

test('closing one memory store leaves the watches of another on the same bucket', async () => {
  const bucket = new MemoryBucket()
  const store = memoryStore(bucket)
  const other = memoryStore(bucket)
  const called: string[] = []
  store.watch?.('a', () => called.push('closed'))
  other.watch?.('a', () => called.push('open'))
  await store.close()
  await other.putIfAbsent('a/1', [])
  await Promise.resolve()
  assert.deepEqual(called, ['open'])
})

test('what a reader does to its bytes does not change the object', async () => {
  const store = memoryStore()
  const body = Buffer.from('abc')
  await store.putIfAbsent('a', [body])
  body[0] = 0
  const read = await store.get('a')
  read?.bytes.fill(0)
  assert.equal((await store.get('a'))?.bytes.toString(), 'abc')
})
