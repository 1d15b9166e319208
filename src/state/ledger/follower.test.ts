import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../tests/simulation/virtual-clock.js'
import { silentLog } from '../../base/log.js'
import { memoryStore } from '../store/memory.js'
import { emptyState } from '../views/state.js'
import { encodeHead } from './entry.js'
import { Fence } from './fence.js'
import { Fold } from './fold.js'
import { Follower } from './follower.js'
import { entryKey } from './keys.js'
import { noLedgerObserver } from './observer.js'

/** A follower of a store that others write to, on a clock that stands still; gets take 30 ms. */
function following(options: { isAwaited: () => boolean; isExpected?: () => boolean }) {
  const clock = new VirtualClock()
  // As a store that is asked through a network: it tells nobody of what is new.
  const { watch: _, ...memory } = memoryStore()
  const asked: string[] = []
  const fold = new Fold(emptyState(), 1, {
    listener: { partApplied() {}, entryApplied() {} },
    observer: noLedgerObserver,
    writer: 1,
  })
  const follower = new Follower({
    store: {
      ...memory,
      kind: 'paid',
      async get(key, range) {
        asked.push(key)
        await clock.sleep(30)
        return memory.get(key, range)
      },
    },
    fence: new Fence(clock, 60 * 60_000),
    ...{ fold, clock, log: silentLog(), ledger: 0, pollIntervalMs: 50, isAwaited: options.isAwaited },
    isExpected: () => options.isExpected?.() ?? false,
    isPutting: () => false,
    bodyRead() {},
    onFatal: assert.fail,
  })
  const write = (sequence: number) => memory.putIfAbsent(entryKey(0, sequence), [encodeHead(7, [])])
  return { clock, fold, follower, asked, write }
}

test('nobody writes: twice a second is looked where somebody waits, and every two seconds where nobody does', async () => {
  let isAwaited = true
  const { clock, follower, asked } = following({ isAwaited: () => isAwaited })
  follower.start()
  await clock.run(20_000)
  assert.ok(asked.length >= 35 && asked.length <= 40, `${asked.length} looks in 20 s`)
  isAwaited = false
  asked.length = 0
  await clock.run(60_000)
  assert.ok(asked.length >= 15 && asked.length <= 21, `${asked.length} looks in 40 s`)
  assert.ok(follower.tailAgeMs() < 2_700)
  isAwaited = true
  asked.length = 0
  await clock.run(60_700)
  assert.ok(asked.length >= 1, 'who begins to wait is served half a second later')
  void follower.close()
})

test('where others write, as many places are asked for as they fill between two looks, which do not wait for each other', async () => {
  const { clock, fold, follower, asked, write } = following({ isAwaited: () => true })
  follower.start()
  const everyMs = 25
  const lags: number[] = []
  for (let sequence = 1; sequence <= 400; sequence++) {
    void write(sequence)
    const writtenAt = clock.monotonic()
    const look = () => {
      if (fold.next > sequence) lags.push(clock.monotonic() - writtenAt)
      else clock.after(5, look)
    }
    look()
    await clock.run(clock.monotonic() + everyMs)
  }
  await clock.run(clock.monotonic() + 1_000)
  lags.sort((a, b) => a - b)
  assert.equal(fold.next, 401)
  // Half of a poll of 50 ms and a get of 30, for nearly all; a look asks for the two or three that come meanwhile and one more.
  assert.ok((lags[lags.length >> 1] ?? 0) <= 55, `${lags[lags.length >> 1]} ms`)
  assert.ok((lags[Math.floor(lags.length * 0.95)] ?? 0) <= 80, `${lags[Math.floor(lags.length * 0.95)]} ms`)
  assert.ok(asked.length < 400 * 2.1, `${asked.length} gets for 400 entries`)
  void follower.close()
})

test('who expects an entry looks for it as often as while others write, from the moment on', async () => {
  let isExpected = false
  const { clock, follower, asked } = following({ isAwaited: () => false, isExpected: () => isExpected })
  follower.start()
  await clock.run(10_000)
  isExpected = true
  follower.expect()
  asked.length = 0
  await clock.run(clock.monotonic() + 1_000)
  assert.ok(asked.length >= 19 && asked.length <= 21, `${asked.length} looks in a second`)
  isExpected = false
  await clock.run(clock.monotonic() + 100)
  asked.length = 0
  await clock.run(clock.monotonic() + 20_000)
  assert.ok(asked.length <= 11, `${asked.length} looks in 20 s`)
  void follower.close()
})

test('who has fallen behind catches up at once, however far ahead it looked before', async () => {
  const { clock, fold, follower, write } = following({ isAwaited: () => true, isExpected: () => true })
  // A look far beyond the tail, as one that catches up makes.
  for (let sequence = 1; sequence <= 20; sequence++) void write(sequence)
  void follower.confirmTail()
  await clock.run(1_000)
  for (let sequence = 21; sequence <= 40; sequence++) void write(sequence)
  follower.start()
  await clock.run(clock.monotonic() + 300)
  assert.equal(fold.next, 41)
  void follower.close()
})
