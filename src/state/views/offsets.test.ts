import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../protocol/error-codes.js'
import { applyCommand, emptyState, type State } from './state.js'
import { noEvents } from './view.js'

const topicId = '0'.repeat(32)

function stateWithTopic(): State {
  const state = emptyState()
  const command = { name: 'topic', id: topicId, partitionCount: 2, configs: [] }
  applyCommand(state, 'createTopic', command, placeOf(state, 1), noEvents)
  return state
}

const placeOf = (state: State, writer: number) => {
  const body = { writer: 0, number: 0, position: 0 }
  return { position: state.position, timeMs: 0, writer, body }
}

const groupOf = (offsets: Record<number, number>) => ({
  groupId: 'group',
  memberId: '',
  groupInstanceId: null,
  generationId: -1,
  topics: [
    {
      name: 'topic',
      id: null,
      partitions: Object.entries(offsets).map(([partition, offset]): [number, number, number, string] => [
        Number(partition),
        offset,
        -1,
        '',
      ]),
    },
  ],
})

/** Takes a commit on an instance now; gives how to order it, which tells the error code of each partition. */
function commit(state: State, writer: number, offsets: Record<number, number>) {
  const command = { ...groupOf(offsets), after: state.position }
  return () =>
    applyCommand(state, 'commitOffsetsAfter', command, placeOf(state, writer), noEvents).partitionErrorCodes[0]
}

const committed = (state: State) => [0, 1].map((partition) => state.offsets.get('group', 'topic', partition)?.offset)
const { NONE, COORDINATOR_LOAD_IN_PROGRESS } = ErrorCode

test('a commit that is ordered after a later one of the same client, through another instance, leaves that as it is', () => {
  const state = stateWithTopic()
  const given = commit(state, 1, { 0: 220, 1: 10 })
  assert.deepEqual(commit(state, 2, { 0: 334 })(), [NONE])
  assert.deepEqual(given(), [COORDINATOR_LOAD_IN_PROGRESS, NONE])
  assert.deepEqual(committed(state), [334, 10])
  // Asked again, it knows.
  assert.deepEqual(commit(state, 1, { 0: 220 })(), [NONE])
  assert.deepEqual(committed(state), [220, 10])
})

test('commits that are under way together on one instance are taken in their order', () => {
  const state = stateWithTopic()
  const underWay = [commit(state, 1, { 0: 5 }), commit(state, 1, { 0: 6, 1: 6 }), commit(state, 1, { 0: 4 })]
  for (const order of underWay) assert.ok(order()?.every((errorCode) => errorCode === NONE))
  assert.deepEqual(committed(state), [4, 6])
})

test('a commit under a lease needs no more than the lease', () => {
  const state = stateWithTopic()
  const { term } = applyCommand(
    state,
    'acquireLease',
    { name: 'lease', ttlMs: 1_000, seenPosition: null },
    placeOf(state, 1),
    noEvents,
  )
  assert.deepEqual(commit(state, 2, { 0: 9 })(), [NONE])
  const command = { ...groupOf({ 0: 3 }), lease: { name: 'lease', term } }
  const outcome = applyCommand(state, 'commitOffsets', command, placeOf(state, 1), noEvents)
  assert.deepEqual(outcome, { errorCode: NONE, partitionErrorCodes: [[NONE]] })
  assert.deepEqual(committed(state), [3, undefined])
})
