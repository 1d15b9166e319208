import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommandKind, CommandOf } from './commands.js'
import { applyCommand, emptyState } from './state.js'
import { noEvents } from './view.js'

/** A group `g` without a delay of its own, and its members' requests. */
function group() {
  const state = emptyState()
  const apply = <Kind extends CommandKind>(kind: Kind, command: CommandOf<Kind>) =>
    applyCommand(
      state,
      kind,
      command,
      { writer: 1, position: state.position, timeMs: 0, body: { writer: 0, number: 0, position: 0 } },
      noEvents,
    )
  const join = (memberId: string, newMemberId: string) =>
    apply('joinGroup', {
      groupId: 'g',
      memberId,
      newMemberId,
      groupInstanceId: null,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      request: `request-${state.position}`,
      requiresKnownMemberId: true,
      supportsSkippingAssignment: true,
      groupSizeMax: 10,
      initialRebalanceDelayMs: 0,
    })
  return {
    apply,
    /** Asks for an id. */
    ask: (newMemberId: string) => join('', newMemberId),
    /** Comes with it. */
    join: (memberId: string) => join(memberId, 'none'),
    now: () => {
      const found = state.groups.byId('g')
      assert.ok(found)
      return found
    },
  }
}

test('who comes alone has a generation at once', () => {
  const { ask, join, now } = group()
  ask('a')
  join('a')
  assert.equal(now().phase, 'completingRebalance')
  assert.equal(now().generationId, 1)
})

test('the first generation waits for those who have been told their ids', () => {
  const { ask, join, now } = group()
  for (const memberId of ['a', 'b', 'c']) ask(memberId)
  join('a')
  join('b')
  assert.equal(now().phase, 'preparingRebalance')
  join('c')
  assert.equal(now().phase, 'completingRebalance')
  assert.equal(now().generationId, 1)
  assert.deepEqual([...now().members.keys()], ['a', 'b', 'c'])
})

test('but not for long: one of them may be gone', () => {
  const { apply, ask, join, now } = group()
  ask('a')
  ask('gone')
  join('a')
  const countdown = now().joinCountdown
  assert.ok(countdown && countdown.delayMs <= 500)
  apply('expireJoin', { groupId: 'g', armedAt: countdown.armedAt })
  assert.equal(now().phase, 'completingRebalance')
  assert.deepEqual([...now().members.keys()], ['a'])
})
