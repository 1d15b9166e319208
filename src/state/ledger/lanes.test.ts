import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { StoreError, UnavailableError } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { memoryStore } from '../store/memory.js'
import { emptyState } from '../views/state.js'
import { laneKey } from './keys.js'
import { Lanes } from './lanes.js'

/** What is logged as an error while the lane of writer 1 is looked at, which can't be read so. */
async function complaintsOf(read: () => Promise<undefined>, written?: Buffer): Promise<string[]> {
  const clock = new ManualClock()
  const complaints: string[] = []
  const store = memoryStore()
  if (written !== undefined) await store.putIfAbsent(laneKey(0, 1, 1), [written])
  const lanes = new Lanes({
    store: written === undefined ? { ...store, get: read } : store,
    clock,
    log: Object.assign(silentLog(), { error: (_: object, message: string) => complaints.push(message) }),
    ledger: 0,
    writer: 2,
    state: emptyState(),
    isWanted: () => true,
    onFound: () => undefined,
    bodyRead: () => undefined,
  })
  lanes.wake()
  await clock.advance(10)
  lanes.close()
  return complaints
}

test('a lane that holds something else is an error; one that cannot be read now, or by a process that was fenced, is not', async () => {
  const never = () => Promise.resolve(undefined)
  assert.deepEqual(await complaintsOf(never, Buffer.alloc(100)), ['a lane holds what it should not'])
  for (const error of [new StoreError('get failed', { key: 'k', retry: true }), new UnavailableError('fenced')])
    assert.deepEqual(await complaintsOf(() => Promise.reject(error)), [])
})
