import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicConfig } from '../topic-configs.js'
import { PartitionLog } from '../views/partition-log.js'
import { cleanableOf, cleaningGroups } from './cleaning-plan.js'

const config = (lagMs = 0) => topicConfig(new Map([['min.compaction.lag.ms', `${lagMs}`]]))

/** A log of ranges of ten records: [object, bytes, largest timestamp]; negative objects are segments. */
function logOf(rows: [object: number, length: number, maxTimestampMs?: number][]): PartitionLog {
  const log = new PartitionLog('topic', 0)
  for (const [index, [object, length, maxTimestampMs = 0]] of rows.entries()) {
    const writer = object < 0 ? -1 : 0
    const baseOffset = index * 10
    const place = { writer, number: Math.abs(object), position: index * 10_000, length }
    log.ranges.append({ baseOffset, endOffset: baseOffset + 10, ...place, maxTimestampMs })
  }
  log.endOffset = rows.length * 10
  return log
}

test('what is in segments can be cleaned, what is not yet waits', () => {
  const log = logOf([
    [-1, 100],
    [-2, 300],
    [7, 500],
  ])
  assert.deepEqual(cleanableOf(log, config(), 0), { to: 20, cleanBytes: 0, dirtyBytes: 400, dirtyRatio: 1 })
  log.firstDirtyOffset = 10
  assert.deepEqual(cleanableOf(log, config(), 0), { to: 20, cleanBytes: 100, dirtyBytes: 300, dirtyRatio: 0.75 })
  log.firstDirtyOffset = 15
  assert.deepEqual(cleanableOf(log, config(), 0), { to: 20, cleanBytes: 250, dirtyBytes: 150, dirtyRatio: 0.375 })
  log.firstDirtyOffset = 20
  assert.deepEqual(cleanableOf(log, config(), 0), { to: 20, cleanBytes: 400, dirtyBytes: 0, dirtyRatio: 0 })
  const empty = logOf([])
  assert.deepEqual(cleanableOf(empty, config(), 0), { to: 0, cleanBytes: 0, dirtyBytes: 0, dirtyRatio: 0 })
})

test('from the first dirty range on with a young record nothing can be cleaned', () => {
  const log = logOf([
    [-1, 100, 950],
    [-2, 100, 800],
    [-3, 100, 950],
    [-4, 100, 800],
  ])
  log.firstDirtyOffset = 10
  assert.equal(cleanableOf(log, config(100), 1_000).to, 20)
  assert.equal(cleanableOf(log, config(40), 1_000).to, 40)
})

test('whole segments are cleaned together up to the size of one', () => {
  const log = logOf([
    [-1, 100],
    [-1, 100],
    [-2, 100],
    [-3, 250],
    [-4, 400],
    [-5, 10],
    [6, 10],
  ])
  const shape = (end: number, bytes: number) =>
    cleaningGroups(log, end, bytes).map(({ ranges, segments }) => [ranges.length, segments])
  assert.deepEqual(shape(60, 300), [
    [3, 2],
    [1, 1],
    [1, 1],
    [1, 1],
  ])
  assert.deepEqual(shape(60, 10_000), [[6, 5]])
  assert.deepEqual(shape(25, 10_000), [[3, 2]])
  assert.deepEqual(shape(25, 0), [
    [2, 1],
    [1, 1],
  ])
  assert.deepEqual(shape(0, 300), [])
})
