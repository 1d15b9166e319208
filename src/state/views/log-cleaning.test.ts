import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CleanRangesCommand, MarkCleanedCommand } from './log-cleaning.js'
import { PartitionLog } from './partition-log.js'
import { applyCommand, emptyState, type State } from './state.js'
import { noEvents } from './view.js'

const topicId = 'a'.repeat(32)

/** A topic with one partition of ten entries with ten records of 100 bytes each. */
function world() {
  const state = emptyState()
  const place = (state: State) => ({
    position: state.position,
    timeMs: 0,
    writer: 3,
    body: { writer: 0, number: state.position, position: 50 },
  })
  applyCommand(
    state,
    'createTopic',
    { name: 'topic', id: topicId, partitionCount: 1, configs: [] },
    place(state),
    noEvents,
  )
  for (let i = 0; i < 10; i++)
    applyCommand(
      state,
      'append',
      { topics: [topicId], batches: [0, 0, 100, 10, i, -1, -1, -1, 0] },
      place(state),
      noEvents,
    )
  const log = state.partitions.get(topicId, 0) ?? assert.fail('there is no partition')
  return {
    state,
    log,
    clean: (command: Partial<CleanRangesCommand>) =>
      applyCommand(
        state,
        'cleanRanges',
        { topicId, partition: 0, number: 100, from: [], to: [], ...command },
        place(state),
        noEvents,
      ).isReplaced,
    mark: (command: Partial<MarkCleanedCommand>) =>
      applyCommand(
        state,
        'markCleaned',
        { topicId, partition: 0, from: 0, to: 0, deleteHorizonMs: -1, ...command },
        place(state),
        noEvents,
      ).isMarked,
    named: (first: number, end: number) =>
      Array.from({ length: end - first }, (_, i) => log.ranges.at(first + i)).flatMap((range) => [
        range.baseOffset,
        range.endOffset,
        range.writer,
        range.number,
        range.position,
        range.length,
      ]),
  }
}

test('ranges make room for those that are left of them, or for none', () => {
  const { log, clean, named } = world()
  assert.equal(clean({ from: named(2, 4), to: [40, 4, 30, 7] }), true)
  assert.equal(log.ranges.length, 9)
  assert.deepEqual(log.ranges.at(2), {
    baseOffset: 20,
    endOffset: 40,
    writer: -3,
    number: 100,
    position: 4,
    length: 30,
    maxTimestampMs: 7,
  })
  assert.equal(clean({ from: named(3, 6), to: [] }), true)
  assert.equal(log.ranges.length, 6)
  assert.equal(log.ranges.bytes, 530)
  // A reader of what is gone finds what comes next.
  for (const offset of [40, 55, 69, 70]) assert.equal(log.ranges.at(log.ranges.find(offset)).baseOffset, 70)
  assert.equal(log.endOffset, 100)
})

test('a cleaning of ranges that are no longer there is void', () => {
  const { state, log, clean, named } = world()
  const from = named(2, 4)
  assert.equal(clean({ from, to: [41, 4, 30, 7] }), false, 'it would reach beyond them')
  assert.equal(clean({ from, partition: 1 }), false)
  assert.equal(clean({ from, topicId: 'b'.repeat(32) }), false)
  state.partitions.segmentsFrom = 101
  assert.equal(clean({ from }), false, 'its segment may be gone')
  state.partitions.segmentsFrom = 100
  assert.equal(clean({ from: named(2, 3) }), true)
  assert.equal(clean({ from }), false)
  assert.equal(log.ranges.length, 9)
})

test('how far a partition is clean is noted if nobody has done so meanwhile', () => {
  const { log, mark } = world()
  assert.equal(mark({ from: 0, to: 101 }), false, 'there are no such records')
  assert.equal(mark({ from: 0, to: 60, deleteHorizonMs: 77 }), true)
  assert.deepEqual([log.firstDirtyOffset, log.deleteHorizonMs], [60, 77])
  assert.equal(mark({ from: 0, to: 80 }), false)
  assert.equal(mark({ from: 60, to: 59 }), false)
  assert.equal(mark({ from: 60, to: 60 }), true)
  assert.equal(mark({ from: 60, to: 100, deleteHorizonMs: 99, partition: 1 }), false)
  assert.deepEqual([log.firstDirtyOffset, log.deleteHorizonMs], [60, -1])
  const copy = PartitionLog.fromSnapshot(topicId, 0, log.toSnapshot())
  assert.deepEqual([copy.firstDirtyOffset, copy.deleteHorizonMs], [60, -1])
})
