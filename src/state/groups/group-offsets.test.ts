import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, stabilize, TestMember, topicIdOf } from '../../../tests/support/group-members.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { GroupCoordinator } from './coordinator.js'

const day = 86_400_000

/** A consumer that uses a group only to keep offsets. */
const simple = (coordinator: GroupCoordinator, groupId: string) => new TestMember(coordinator, groupId)

test('what a member commits is what any instance fetches, with metadata and leader epoch', async () => {
  const bed = new GroupTestBed()
  const [here, there] = [bed.open(), bed.open(10_000)]
  await bed.createTopic('topic', 2)
  const member = new TestMember(here.coordinator, 'group')
  await stabilize(bed.clock, [member])
  assert.equal(await member.commit('topic', 1, 42, 'note'), ErrorCode.NONE)
  const none = { offset: -1, leaderEpoch: -1, metadata: '' }
  assert.deepEqual(await there.coordinator.fetchOffsets('group', [{ name: 'topic', partitions: [0, 1] }]), {
    errorCode: ErrorCode.NONE,
    topics: [
      {
        name: 'topic',
        partitions: [
          { partition: 0, ...none },
          { partition: 1, offset: 42, leaderEpoch: 0, metadata: 'note' },
        ],
      },
    ],
  })
  assert.deepEqual((await there.coordinator.fetchOffsets('group', null)).topics, [
    { name: 'topic', partitions: [{ partition: 1, offset: 42, leaderEpoch: 0, metadata: 'note' }] },
  ])
  assert.deepEqual((await there.coordinator.fetchOffsets('nowhere', null)).topics, [])
  bed.close()
})

test('commits of another generation, of strangers and of fenced members are refused', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  const member = new TestMember(coordinator, 'group', { groupInstanceId: 'a' })
  await stabilize(bed.clock, [member])
  const late = Object.assign(new TestMember(coordinator, 'group'), { memberId: member.memberId, generationId: 0 })
  assert.equal(await late.commit('topic', 0, 1), ErrorCode.ILLEGAL_GENERATION)
  const stranger = Object.assign(new TestMember(coordinator, 'group'), { memberId: 'nobody', generationId: 1 })
  assert.equal(await stranger.commit('topic', 0, 1), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await simple(coordinator, 'group').commit('topic', 0, 1), ErrorCode.UNKNOWN_MEMBER_ID)
  await new TestMember(coordinator, 'group', { groupInstanceId: 'a' }).join()
  assert.equal(await member.commit('topic', 0, 1), ErrorCode.FENCED_INSTANCE_ID)
  const elsewhere = Object.assign(new TestMember(coordinator, 'nowhere'), { memberId: 'm', generationId: 1 })
  assert.equal(await elsewhere.commit('topic', 0, 1), ErrorCode.GROUP_ID_NOT_FOUND)
  assert.deepEqual((await coordinator.fetchOffsets('group', null)).topics, [])
  bed.close()
})

test('what another instance has committed meanwhile stays until this one knows of it', async () => {
  const bed = new GroupTestBed()
  const [here, there] = [bed.open(), bed.open(10_000)]
  await bed.createTopic('topic', 2)
  const member = new TestMember(here.coordinator, 'group')
  await stabilize(bed.clock, [member])
  there.instance.catchUp()
  const { memberId, generationId } = member
  const elsewhere = Object.assign(new TestMember(there.coordinator, 'group'), { memberId, generationId })
  const committed = async () =>
    (await here.coordinator.fetchOffsets('group', [{ name: 'topic', partitions: [0] }])).topics[0]?.partitions[0]
      ?.offset
  assert.equal(await member.commit('topic', 0, 7), ErrorCode.NONE)
  assert.equal(await elsewhere.commit('topic', 0, 5), ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  assert.equal(await committed(), 7)
  assert.equal(await elsewhere.commit('topic', 0, 5), ErrorCode.NONE)
  assert.equal(await elsewhere.commit('topic', 0, 6), ErrorCode.NONE)
  assert.equal(await committed(), 6)
  bed.close()
})

test('a commit is taken while members join, but not between the join and the assignment', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  const [first, second] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [first])
  const joining = second.join()
  await bed.clock.advance(0)
  assert.equal(await first.commit('topic', 0, 7), ErrorCode.NONE)
  await first.join()
  await joining
  assert.equal(await first.commit('topic', 0, 8), ErrorCode.REBALANCE_IN_PROGRESS)
  bed.close()
})

test('without joining, offsets can be kept in a group that is empty', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  assert.equal(await simple(coordinator, 'group').commit('topic', 0, 5), ErrorCode.NONE)
  const listed = await coordinator.list([], [])
  assert.deepEqual(listed.groups, [{ groupId: 'group', protocolType: '', groupState: 'Empty', groupType: 'classic' }])
  const member = new TestMember(coordinator, 'group')
  await stabilize(bed.clock, [member])
  await member.leave()
  assert.equal(await simple(coordinator, 'group').commit('topic', 0, 6), ErrorCode.NONE)
  bed.close()
})

test('a partition that is not there, another topic of that name, and too much metadata are refused one by one', async () => {
  const bed = new GroupTestBed({ offsetMetadataBytesMax: 4 })
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 2)
  const at = (partition: number, metadata: string | null = null) => ({
    partition,
    offset: 1,
    leaderEpoch: -1,
    metadata,
  })
  const errorCodes = await coordinator.commitOffsets({
    groupId: 'group',
    memberId: '',
    groupInstanceId: null,
    generationId: -1,
    topics: [
      { name: 'topic', id: null, partitions: [at(0, 'long metadata'), at(1, 'okay'), at(2), at(-1)] },
      { name: 'topic', id: 'f'.repeat(32), partitions: [at(0)] },
      { name: 'unknown', id: null, partitions: [at(0)] },
    ],
  })
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  assert.deepEqual(errorCodes, [
    [ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE, unknown, unknown],
    [ErrorCode.UNKNOWN_TOPIC_ID],
    [unknown],
  ])
  bed.close()
})

test('with a topic go the offsets that were committed for it', async () => {
  const bed = new GroupTestBed()
  const { coordinator, instance } = bed.open()
  await bed.createTopic('topic', 1)
  await bed.createTopic('other', 1)
  const consumer = simple(coordinator, 'group')
  await consumer.commit('topic', 0, 5)
  await consumer.commit('other', 0, 6)
  await instance.propose('deleteTopic', { id: topicIdOf('topic') })
  const { topics } = await coordinator.fetchOffsets('group', null)
  assert.deepEqual(
    topics.map(({ name }) => name),
    ['other'],
  )
  bed.close()
})

test('offsets of an empty group are kept for their retention, those of a group with members for ever', async () => {
  const bed = new GroupTestBed({ offsetsRetentionMinutes: 24 * 60 })
  const { coordinator } = bed.open()
  bed.open()
  await bed.createTopic('topic', 2)
  const [stays, leaves] = [new TestMember(coordinator, 'stays'), new TestMember(coordinator, 'leaves')]
  await stabilize(bed.clock, [stays, leaves])
  for (const member of [stays, leaves]) await member.commit('topic', 0, 1)
  const early = simple(coordinator, 'simple')
  await early.commit('topic', 0, 1)
  await early.commit('topic', 1, 1)
  const groups = async () => (await coordinator.list([], [])).groups.map(({ groupId }) => groupId)
  await stays.beatFor(bed.clock, day / 4, 9000)
  await leaves.leave()
  await early.commit('topic', 1, 2)
  await stays.beatFor(bed.clock, (3 * day) / 4 + 900_000, 9000)
  // A day after its commit one offset of the simple group is gone; the other group became empty later than that.
  assert.deepEqual((await coordinator.fetchOffsets('simple', null)).topics, [
    { name: 'topic', partitions: [{ partition: 1, offset: 2, leaderEpoch: 0, metadata: '' }] },
  ])
  assert.deepEqual(await groups(), ['stays', 'simple'])
  await stays.beatFor(bed.clock, day / 4, 9000)
  assert.deepEqual(await groups(), ['stays'])
  assert.equal((await coordinator.fetchOffsets('stays', null)).topics.length, 1)
  bed.close()
})

test('an offset that was committed again since somebody found it expired stays', async () => {
  const bed = new GroupTestBed()
  const { coordinator, instance } = bed.open()
  await bed.createTopic('topic', 1)
  await simple(coordinator, 'group').commit('topic', 0, 1)
  const emptySince = instance.state.groups.byId('group')?.emptySince.position ?? -1
  const position = instance.state.offsets.get('group', 'topic', 0)?.position ?? -1
  await simple(coordinator, 'group').commit('topic', 0, 2)
  const expire = { groupId: 'group', emptySince, offsets: [['topic', 0, position]] as [string, number, number][] }
  assert.deepEqual(await instance.propose('expireOffsets', expire), { removedCount: 0, isGroupRemoved: false })
  bed.close()
})

test('only empty groups can be deleted, and their offsets go with them', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  const member = new TestMember(coordinator, 'busy')
  await stabilize(bed.clock, [member])
  await simple(coordinator, 'empty').commit('topic', 0, 1)
  assert.deepEqual(await coordinator.delete(['busy', 'empty', 'unknown']), [
    ErrorCode.NON_EMPTY_GROUP,
    ErrorCode.NONE,
    ErrorCode.GROUP_ID_NOT_FOUND,
  ])
  assert.deepEqual((await coordinator.fetchOffsets('empty', null)).topics, [])
  bed.close()
})

test('groups are listed by state and type, and described', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  const member = new TestMember(coordinator, 'busy')
  await stabilize(bed.clock, [member])
  await simple(coordinator, 'idle').commit('topic', 0, 1)
  const listed = async (states: string[], types: string[]) =>
    (await coordinator.list(states, types)).groups.map(({ groupId }) => groupId)
  assert.deepEqual(await listed([], []), ['busy', 'idle'])
  assert.deepEqual(await listed(['stable'], []), ['busy'])
  assert.deepEqual(await listed(['Empty', 'Dead'], ['Classic']), ['idle'])
  assert.deepEqual(await listed([], ['consumer']), [])
  const [busy, unknown] = await coordinator.describe(['busy', 'unknown'])
  assert.equal(busy?.groupState, 'Stable')
  assert.equal(busy.protocolData, 'range')
  assert.deepEqual(
    busy.members.map((each) => [each.clientId, each.clientHost, Buffer.from(each.memberAssignment).toString()]),
    [['consumer', '/127.0.0.1', 'partition 0']],
  )
  assert.equal(unknown?.groupState, 'Dead')
  assert.equal(unknown.errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  bed.close()
})
