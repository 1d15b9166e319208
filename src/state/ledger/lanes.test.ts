import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../tests/support/manual-clock.js'
import { StoreError, UnavailableError } from '../../base/errors.js'
import { silentLog } from '../../base/log.js'
import { memoryStore } from '../store/memory.js'
import type { ObjectStore } from '../store/object-store.js'
import { emptyState } from '../views/state.js'
import { encodeHead, type Part } from './entry.js'
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

test('what a store tells of is found at once', async () => {
  const clock = new ManualClock()
  const memory = memoryStore()
  const asked: string[] = []
  const watchers: (() => void)[] = []
  const store: ObjectStore = {
    ...memory,
    get: (key, range) => {
      asked.push(key)
      return memory.get(key, range)
    },
    watch: (folder, changed) => {
      assert.equal(folder, 'lanes/0/0000000001')
      watchers.push(changed)
      return () => void watchers.pop()
    },
  }
  const state = emptyState()
  let isWanted = true
  const lanes = new Lanes({
    store,
    clock,
    log: silentLog(),
    ledger: 0,
    writer: 2,
    state,
    isWanted: () => isWanted,
    onFound: () => undefined,
    bodyRead: () => undefined,
  })
  lanes.wake()
  await clock.advance(1)
  assert.equal(watchers.length, 0, 'a lane that is not hot is not watched')
  const part: Part = { writer: 1, index: 1, timeMs: 0, commands: Buffer.from([0x90]), bodyLength: 0, lanePosition: 0 }
  await memory.putIfAbsent(laneKey(0, 1, 1), [encodeHead(1, [part])])
  // It is looked at once a second, and more often from then on.
  await clock.advance(1_100)
  assert.deepEqual(
    lanes.waiting().map(({ index }) => index),
    [1],
  )
  assert.equal(watchers.length, 1)
  asked.length = 0
  watchers[0]?.()
  await clock.advance(0)
  assert.deepEqual(asked, [laneKey(0, 1, 2)])
  isWanted = false
  await clock.advance(100)
  assert.equal(watchers.length, 0, 'nobody watches who does not order')
  lanes.close()
})
