import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spoiledMemory } from '../../../tests/support/spoiled-memory.js'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
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
  const put = puts.put('key', [bytes], () => false)
  memory.unpin(bytes)
  reach()
  assert.equal(await put, 'created')
  assert.equal(`${(await bucket.get('key'))?.bytes}`, 'hello')
  // Now nobody uses it.
  assert.notEqual(`${bytes}`, 'hello')
})
