import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pack, unpack } from 'msgpackr'
import type { CommandKind, CommandOf } from './commands.js'
import type { Group } from './group.js'
import { applyCommand, emptyState, fromSnapshot, type State, toSnapshot } from './state.js'
import { noEvents } from './view.js'

const groupIds = ['one', 'two']
const memberIds = ['a', 'b', 'c', 'd']
const body = { writer: 0, number: 0, position: 0 }

/** A command, made for the state as it is, so that many of them have an effect. */
type Draft = (state: State) => { [Kind in CommandKind]: [Kind, CommandOf<Kind>] }[CommandKind]

const groupId = fc.constantFrom(...groupIds)
const memberId = fc.constantFrom(...memberIds)
const instanceId = fc.option(fc.constantFrom('x', 'y'), { nil: null })
const isRight = fc.integer({ min: 0, max: 9 }).map((n) => n > 0)
const currentOf = (state: State, id: string, index: number): string =>
  [...(state.groups.byId(id)?.members.keys() ?? [])][index] ?? 'nobody'

const joining = fc
  .record({
    groupId,
    knows: fc.constantFrom('nothing', 'pending', 'member'),
    index: fc.nat(3),
    newMemberId: memberId,
    groupInstanceId: instanceId,
    names: fc.subarray(['p', 'q', 'r'], { minLength: 1 }),
    metadata: fc.uint8Array({ maxLength: 2 }).map((bytes) => Buffer.from(bytes)),
    requiresKnownMemberId: fc.boolean(),
    initialRebalanceDelayMs: fc.constantFrom(0, 3000),
  })
  .map(
    (draft): Draft =>
      (state) => {
        const group = state.groups.byId(draft.groupId)
        const pending = [...(group?.pendingMembers.keys() ?? [])][0] ?? ''
        const isTaken = group?.members.has(draft.newMemberId) || group?.pendingMembers.has(draft.newMemberId)
        const known =
          draft.knows === 'member'
            ? currentOf(state, draft.groupId, draft.index)
            : draft.knows === 'pending'
              ? pending
              : ''
        return [
          'joinGroup',
          {
            groupId: draft.groupId,
            memberId: known,
            newMemberId: isTaken ? `${draft.newMemberId}${state.position}` : draft.newMemberId,
            groupInstanceId:
              draft.knows === 'member' ? (group?.members.get(known)?.groupInstanceId ?? null) : draft.groupInstanceId,
            clientId: 'client',
            clientHost: '/127.0.0.1',
            sessionTimeoutMs: 10_000,
            rebalanceTimeoutMs: 60_000,
            protocolType: 'consumer',
            protocols: draft.names.map((name) => ({ name, metadata: draft.metadata })),
            request: `request-${state.position}`,
            requiresKnownMemberId: draft.requiresKnownMemberId,
            supportsSkippingAssignment: true,
            groupSizeMax: 3,
            initialRebalanceDelayMs: draft.initialRebalanceDelayMs,
          },
        ]
      },
  )

const syncing = fc.record({ groupId, index: fc.nat(3), isRight }).map(
  (draft): Draft =>
    (state) => [
      'syncGroup',
      {
        groupId: draft.groupId,
        memberId: currentOf(state, draft.groupId, draft.index),
        groupInstanceId: null,
        generationId: (state.groups.byId(draft.groupId)?.generationId ?? 0) + (draft.isRight ? 0 : 1),
        protocolType: null,
        protocolName: null,
        assignments: memberIds.map((each): [string, Buffer] => [each, Buffer.from(each)]),
        request: `request-${state.position}`,
      },
    ],
)

const leaving = fc.record({ groupId, index: fc.nat(3) }).map(
  (draft): Draft =>
    (state) => [
      'leaveGroup',
      {
        groupId: draft.groupId,
        members: [{ memberId: currentOf(state, draft.groupId, draft.index), groupInstanceId: null }],
      },
    ],
)

const touching = fc.record({ groupId, index: fc.nat(3), ageMs: fc.nat(5000) }).map(
  (draft): Draft =>
    (state) => [
      'touchMembers',
      { members: [[draft.groupId, currentOf(state, draft.groupId, draft.index), draft.ageMs]] },
    ],
)

const expiring = fc.record({ groupId, kind: fc.constantFrom('member', 'join', 'sync'), index: fc.nat(3), isRight }).map(
  (draft): Draft =>
    (state) => {
      const group = state.groups.byId(draft.groupId)
      const id = currentOf(state, draft.groupId, draft.index)
      const off = draft.isRight ? 0 : 1
      if (draft.kind === 'member')
        return [
          'expireMember',
          { groupId: draft.groupId, memberId: id, armedAt: (group?.members.get(id)?.session.armedAt ?? 0) - off },
        ]
      const countdown = draft.kind === 'join' ? group?.joinCountdown : group?.syncCountdown
      return [
        draft.kind === 'join' ? 'expireJoin' : 'expireSync',
        { groupId: draft.groupId, armedAt: (countdown?.armedAt ?? 0) - off },
      ]
    },
)

const committingDraft = {
  groupId,
  index: fc.nat(4),
  partition: fc.nat(3),
  offset: fc.nat(),
  behind: fc.nat(9),
  isRight,
}
const committing = fc.record(committingDraft).map(
  (draft): Draft =>
    (state) => [
      'commitOffsetsAfter',
      {
        groupId: draft.groupId,
        memberId: draft.index === 4 ? '' : currentOf(state, draft.groupId, draft.index),
        groupInstanceId: null,
        generationId:
          draft.index === 4 ? -1 : (state.groups.byId(draft.groupId)?.generationId ?? 0) + (draft.isRight ? 0 : 1),
        topics: [{ name: 'topic', id: null, partitions: [[draft.partition, draft.offset, 0, 'metadata']] }],
        after: state.position - draft.behind,
      },
    ],
)

const deleting = fc.record({ groupId, what: fc.constantFrom('group', 'topic', 'offsets') }).map(
  (draft): Draft =>
    (state) => {
      if (draft.what === 'group') return ['deleteGroups', { groupIds: [draft.groupId] }]
      if (draft.what === 'topic') return ['deleteTopic', { id: '0'.repeat(32) }]
      const offsets: [string, number, number][] = []
      for (const [topic, partitions] of state.offsets.ofGroup(draft.groupId))
        for (const [partition, { position }] of partitions) offsets.push([topic, partition, position])
      const emptySince = state.groups.byId(draft.groupId)?.emptySince.position ?? 0
      return ['expireOffsets', { groupId: draft.groupId, emptySince, offsets }]
    },
)

const creating = fc.constant<Draft>(() => [
  'createTopic',
  { name: 'topic', id: '0'.repeat(32), partitionCount: 3, configs: [] },
])

const leasing = fc.record({ what: fc.constantFrom('acquire', 'renew', 'release'), isRight }).map(
  (draft): Draft =>
    (state) => {
      const lease = state.leases.byName('lease')
      const term = (lease?.term ?? 0) + (draft.isRight ? 0 : 1)
      if (draft.what === 'renew') return ['renewLeases', { leases: [['lease', term]] }]
      if (draft.what === 'release') return ['releaseLease', { name: 'lease', term }]
      return [
        'acquireLease',
        { name: 'lease', ttlMs: 1000, seenPosition: draft.isRight ? (lease?.renewedAt ?? null) : null },
      ]
    },
)

const drafts = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: joining },
    { weight: 5, arbitrary: syncing },
    { weight: 3, arbitrary: expiring },
    leaving,
    touching,
    committing,
    deleting,
    creating,
    leasing,
  ),
  { maxLength: 120 },
)

function assertGroup(group: Group): void {
  const { phase, members } = group
  const expected = phase === 'empty' ? group.leader === null : members.size === 0 || members.has(group.leader ?? '')
  assert.ok(expected, `a group with members has one of them as leader (${phase})`)
  if (phase === 'empty') assert.equal(members.size, 0)
  if (phase === 'stable' || phase === 'completingRebalance') assert.ok(members.size > 0)
  assert.equal(group.joinCountdown !== null, phase === 'preparingRebalance')
  if (group.initialRebalance !== null) assert.equal(phase, 'preparingRebalance')
  for (const memberId of group.pendingSync) assert.ok(members.has(memberId))
  for (const memberId of group.pendingMembers.keys()) assert.ok(!members.has(memberId))
  assert.equal(group.syncCountdown !== null, group.pendingSync.size > 0)
  const instances = [...members.values()].map((member) => member.groupInstanceId).filter((each) => each !== null)
  assert.equal(new Set(instances).size, instances.length, 'a static member is there once')
  for (const [memberId, member] of members) {
    assert.equal(member.memberId, memberId)
    if (member.isAwaitingJoin) assert.equal(phase, 'preparingRebalance')
    if (member.isAwaitingSync) assert.equal(phase, 'completingRebalance')
    if (phase === 'stable' || phase === 'completingRebalance')
      assert.ok(member.protocols.some(({ name }) => name === group.protocolName))
  }
}

test('whatever commands come in whatever order, groups stay sound, and generations only grow', () => {
  const phases = new Set<string>()
  fc.assert(
    fc.property(drafts, (sequence) => {
      const state = emptyState()
      const generations = new Map<Group, number>()
      sequence.forEach((draft, i) => {
        const [kind, command] = draft(state)
        const place = { position: state.position, timeMs: i, writer: 1 + (i % 2), body }
        applyCommand(state, kind, command, place, noEvents)
        for (const group of state.groups.all()) {
          assertGroup(group)
          phases.add(group.phase)
          assert.ok(group.generationId >= (generations.get(group) ?? 0))
          generations.set(group, group.generationId)
        }
      })
    }),
    { numRuns: 300 },
  )
  assert.equal(phases.size, 4, 'the sequences reach every phase')
})

test('a state from a snapshot is the same state, and goes on like the one that never stopped', () => {
  fc.assert(
    fc.property(drafts, fc.nat(120), (sequence, cut) => {
      const state = emptyState()
      let restarted: State | undefined
      sequence.forEach((draft, i) => {
        const [kind, command] = draft(state)
        const place = { position: state.position, timeMs: i, writer: 1 + (i % 2), body }
        if (restarted !== undefined) applyCommand(restarted, kind, unpack(pack(command)), place, noEvents)
        applyCommand(state, kind, command, place, noEvents)
        if (i === cut) {
          restarted = fromSnapshot(unpack(pack(toSnapshot(state))))
          assert.deepEqual(pack(toSnapshot(restarted)), pack(toSnapshot(state)))
        }
      })
      if (restarted !== undefined) assert.deepEqual(pack(toSnapshot(restarted)), pack(toSnapshot(state)))
    }),
    { numRuns: 200 },
  )
})
