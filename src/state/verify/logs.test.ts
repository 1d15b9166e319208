import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyState } from '../views/state.js'
import { Damages } from './findings.js'
import { checkLogs } from './logs.js'

/** Damage to a partition with ranges of these offsets, in objects of their own. */
function damageOf(
  logStartOffset: number,
  endOffset: number,
  ranges: [number, number][],
  { cleanupPolicy = 'delete', firstDirtyOffset = 0 } = {},
): string[] {
  const state = emptyState()
  const configs = new Map([['cleanup.policy', cleanupPolicy]])
  state.topics.put({ name: 'orders', id: 'id', partitionCount: 1, configs, createdAtMs: 0 })
  state.partitions.extend('id', 1)
  const log = state.partitions.get('id', 0)
  assert.ok(log)
  log.logStartOffset = logStartOffset
  log.endOffset = endOffset
  log.firstDirtyOffset = firstDirtyOffset
  for (const [i, [baseOffset, end]] of ranges.entries())
    log.ranges.append({ baseOffset, endOffset: end, writer: 0, number: i, position: 9, length: 9, maxTimestampMs: 0 })
  const damages = new Damages()
  checkLogs(state, damages)
  return damages.items.map(({ message, offset, endOffset }) => `${offset}-${endOffset}: ${message}`)
}

test('offsets that are dense from log start to high watermark are sound', () => {
  assert.deepEqual(damageOf(0, 0, []), [])
  assert.deepEqual(damageOf(7, 7, []), [])
  assert.deepEqual(
    damageOf(0, 30, [
      [0, 10],
      [10, 30],
    ]),
    [],
  )
  assert.deepEqual(
    damageOf(5, 30, [
      [0, 10],
      [10, 30],
    ]),
    [],
  )
})

test('a hole, an overlap, a missing beginning or end, and too much are told with their offsets', () => {
  assert.deepEqual(
    damageOf(0, 30, [
      [0, 10],
      [12, 30],
    ]),
    ['10-12: these offsets are nowhere'],
  )
  assert.deepEqual(
    damageOf(0, 30, [
      [0, 10],
      [8, 30],
    ]),
    ['8-10: these offsets are in two places, or deleted'],
  )
  assert.deepEqual(damageOf(0, 30, [[10, 30]]), ['0-10: these offsets are nowhere'])
  assert.deepEqual(damageOf(0, 30, [[0, 10]]), ['10-30: these offsets are nowhere'])
  assert.deepEqual(damageOf(0, 5, []), ['0-5: these offsets are nowhere'])
  assert.deepEqual(damageOf(0, 5, [[0, 10]]), ['5-10: these offsets are beyond the high watermark'])
  assert.deepEqual(
    damageOf(10, 30, [
      [0, 10],
      [10, 30],
    ]),
    ['0-10: these offsets are in two places, or deleted'],
  )
})

test('log compaction leaves gaps, though not at the end', () => {
  const gaps: [number, number][] = [
    [4, 10],
    [12, 30],
  ]
  assert.deepEqual(damageOf(0, 30, gaps, { cleanupPolicy: 'compact,delete' }), [])
  assert.deepEqual(damageOf(0, 30, gaps, { firstDirtyOffset: 20 }), [])
  assert.deepEqual(damageOf(0, 31, gaps, { cleanupPolicy: 'compact' }), ['30-31: these offsets are nowhere'])
})

test('a topic with another number of logs than partitions is told', () => {
  const state = emptyState()
  state.topics.put({ name: 'orders', id: 'id', partitionCount: 2, configs: new Map(), createdAtMs: 0 })
  state.partitions.extend('id', 1)
  const damages = new Damages()
  checkLogs(state, damages)
  assert.deepEqual(damages.items, [
    { problem: 'contradiction', message: 'the topic has 2 partitions, and logs of 1', topic: 'orders' },
  ])
})
