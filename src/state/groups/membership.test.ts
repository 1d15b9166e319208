import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, stabilize, TestMember } from '../../../tests/support/group-members.js'
import { ErrorCode } from '../../protocol/error-codes.js'

test('a single member waits for the initial delay, leads, and gets its assignment', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  const joining = member.join()
  await bed.clock.advance(2999)
  assert.equal(member.joined, undefined)
  await bed.clock.advance(101)
  const answer = await joining
  assert.equal(answer.errorCode, ErrorCode.NONE)
  assert.equal(answer.generationId, 1)
  assert.equal(answer.protocolName, 'range')
  assert.equal(answer.leader, answer.memberId)
  assert.match(answer.memberId, /^consumer-[0-9a-f-]{36}$/)
  assert.deepEqual(
    answer.members.map(({ memberId, metadata }) => [memberId, Buffer.from(metadata).toString()]),
    [[answer.memberId, 'topics']],
  )
  await member.sync()
  assert.equal(member.assignment, 'partition 0')
  assert.equal(await member.heartbeat(), ErrorCode.NONE)
  bed.close()
})

test('without an initial delay a first member is in within milliseconds', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  assert.equal((await bed.soon(member.join(), 6)).generationId, 1)
  bed.close()
})

test('the initial delay is prolonged while members keep coming, up to the rebalance time-out', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [1, 2, 3, 4].map(() => new TestMember(coordinator, 'group', { rebalanceTimeoutMs: 8000 }))
  const joining: Promise<unknown>[] = []
  for (const member of members) {
    joining.push(member.join())
    await bed.clock.advance(2000)
  }
  // Begun at 0; somebody came in each of the first two periods of 3 s, and the third is cut short at 8 s.
  await Promise.all(joining)
  assert.deepEqual(
    members.map((member) => member.generationId),
    [1, 1, 1, 1],
  )
  bed.close()
})

test('three members share one generation with one leader, who alone sees the others', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [1, 2, 3].map(() => new TestMember(coordinator, 'group'))
  await stabilize(bed.clock, members)
  assert.equal(members.filter((member) => member.isLeader).length, 1)
  for (const member of members) {
    assert.equal(member.generationId, 1)
    assert.equal(member.joined?.members.length, member.isLeader ? 3 : 0)
  }
  assert.deepEqual(
    new Set(members.map((member) => member.assignment)),
    new Set(['partition 0', 'partition 1', 'partition 2']),
  )
  bed.close()
})

test('a member that joins makes the others join again', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [first, second] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [first])
  const joining = second.join()
  await bed.clock.advance(0)
  assert.equal(await first.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await first.join()
  await joining
  assert.deepEqual([first.generationId, second.generationId], [2, 2])
  assert.equal(first.isLeader, true)
  bed.close()
})

test('a member that leaves makes the others share anew, and hands on the lead', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [first, second] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [first, second])
  const leader = first.isLeader ? first : second
  const other = first.isLeader ? second : first
  assert.equal(await leader.leave(), ErrorCode.NONE)
  assert.equal(await other.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await other.join()
  assert.equal(other.isLeader, true)
  assert.equal(await leader.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await leader.leave(), ErrorCode.UNKNOWN_MEMBER_ID)
  bed.close()
})

test('a member that does not join again within the rebalance time-out is out', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [silent, first] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [silent, first])
  const joining = new TestMember(coordinator, 'group').join()
  await bed.clock.advance(0)
  const rejoining = first.join()
  // It only sends heartbeats, so its session goes on.
  for (let i = 0; i < 19; i++) {
    await bed.clock.advance(3000)
    assert.equal(await silent.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  }
  await bed.clock.advance(3100)
  assert.equal((await joining).errorCode, ErrorCode.NONE)
  assert.equal((await rejoining).generationId, 2)
  assert.equal(await silent.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  const [described] = await coordinator.describe(['group'])
  assert.equal(described?.members.length, 2)
  bed.close()
})

test('a member that has joined but does not sync in time is out, and the others join again', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  const joining = Promise.all(members.map((member) => member.join()))
  await bed.clock.advance(6200)
  await joining
  const leader = members.find((member) => member.isLeader)
  const idle = members.find((member) => !member.isLeader)
  assert.ok(leader && idle)
  await leader.sync()
  for (let i = 0; i < 20; i++) {
    await bed.clock.advance(3000)
    await leader.heartbeat()
    await idle.heartbeat()
  }
  await bed.clock.advance(2000)
  assert.equal(await leader.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  assert.equal(await idle.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  bed.close()
})

test('a follower that syncs first waits for the leader, and both are answered with its word', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  const joining = Promise.all(members.map((member) => member.join()))
  await bed.clock.advance(6200)
  await joining
  const leader = members.find((member) => member.isLeader)
  const follower = members.find((member) => !member.isLeader)
  assert.ok(leader && follower)
  const syncing = follower.sync()
  await bed.clock.advance(5000)
  assert.equal(follower.assignment, '')
  await leader.sync()
  await syncing
  assert.deepEqual(new Set([leader.assignment, follower.assignment]), new Set(['partition 0', 'partition 1']))
  bed.close()
})

test('a sync that waits is told of a rebalance that comes between', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  const joining = Promise.all(members.map((member) => member.join()))
  await bed.clock.advance(6200)
  await joining
  const follower = members.find((member) => !member.isLeader)
  assert.ok(follower)
  const syncing = follower.sync()
  const late = new TestMember(coordinator, 'group')
  const joiningLate = late.join()
  await bed.clock.advance(0)
  assert.equal((await syncing).errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
  await Promise.all([...members.map((member) => member.join()), joiningLate])
  assert.equal(late.generationId, 2)
  bed.close()
})

test('a sync of another generation, another protocol or an unknown member is refused', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  await bed.soon(member.join())
  const { signal } = new AbortController()
  const request = {
    groupId: 'group',
    memberId: member.memberId,
    groupInstanceId: null,
    generationId: 1,
    protocolType: null,
    protocolName: null,
    assignments: [],
  }
  const sync = async (changes: object) =>
    (await bed.soon(coordinator.sync({ ...request, ...changes }, signal))).errorCode
  assert.equal(await sync({ generationId: 2 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(await sync({ protocolType: 'connect' }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(await sync({ protocolName: 'sticky' }), ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  assert.equal(await sync({ memberId: 'nobody' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await sync({ groupId: 'nowhere' }), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await sync({ groupId: '' }), ErrorCode.INVALID_GROUP_ID)
  assert.equal(await sync({}), ErrorCode.NONE)
  bed.close()
})

test('a follower that joins a stable group with the same metadata changes nothing, a leader begins a rebalance', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, members)
  const leader = members.find((member) => member.isLeader)
  const follower = members.find((member) => !member.isLeader)
  assert.ok(leader && follower)
  assert.equal((await follower.join()).generationId, 1)
  assert.equal(await leader.heartbeat(), ErrorCode.NONE)
  const joining = leader.join()
  await bed.clock.advance(0)
  assert.equal(await follower.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await follower.join()
  assert.equal((await joining).generationId, 2)
  bed.close()
})

test('a follower that joins with other metadata begins a rebalance', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, members)
  const leader = members.find((member) => member.isLeader)
  const follower = members.find((member) => !member.isLeader)
  assert.ok(leader && follower)
  const joining = follower.join({ protocols: [{ name: 'range', metadata: Buffer.from('other topics') }] })
  await bed.clock.advance(0)
  assert.equal(await leader.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await leader.join()
  await joining
  const metadata = leader.joined?.members.map((each) => Buffer.from(each.metadata).toString())
  assert.deepEqual(new Set(metadata), new Set(['other topics', 'topics']))
  bed.close()
})

test('the protocol is one that all support, by majority', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const offering = (...names: string[]) =>
    new TestMember(coordinator, 'group', { protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })) })
  const members = [offering('only-mine', 'range', 'sticky'), offering('sticky', 'range'), offering('sticky', 'range')]
  await stabilize(bed.clock, members)
  assert.equal(members[0]?.joined?.protocolName, 'sticky')
  const stranger = await offering('something-else').join()
  assert.equal(stranger.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  const connect = await new TestMember(coordinator, 'group', { protocolType: 'connect' }).join()
  assert.equal(connect.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  const nothing = await new TestMember(coordinator, 'new', { protocols: [] }).join()
  assert.equal(nothing.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  bed.close()
})

test('session time-outs out of bounds, empty group ids and unknown member ids are refused', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const refusal = async (changes: object) => (await new TestMember(coordinator, 'group').join(changes)).errorCode
  assert.equal(await refusal({ sessionTimeoutMs: 5999 }), ErrorCode.INVALID_SESSION_TIMEOUT)
  assert.equal(await refusal({ sessionTimeoutMs: 1_800_001 }), ErrorCode.INVALID_SESSION_TIMEOUT)
  assert.equal(await refusal({ groupId: '' }), ErrorCode.INVALID_GROUP_ID)
  assert.equal(await refusal({ memberId: 'nobody' }), ErrorCode.UNKNOWN_MEMBER_ID)
  bed.close()
})

test('a group takes no more than group.max.size members', async () => {
  const bed = new GroupTestBed({ groupMaxSize: 2 })
  const { coordinator } = bed.open()
  const members = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, members)
  assert.equal((await new TestMember(coordinator, 'group').join()).errorCode, ErrorCode.GROUP_MAX_SIZE_REACHED)
  assert.equal(await members[0]?.heartbeat(), ErrorCode.NONE)
  bed.close()
})

test('a member from before KIP-394 is in with its first request', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator } = bed.open()
  const answer = await bed.soon(new TestMember(coordinator, 'group', { requiresKnownMemberId: false }).join())
  assert.equal(answer.errorCode, ErrorCode.NONE)
  bed.close()
})

test('a rebalance waits for a member that was given its id and has not come back yet', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  await stabilize(bed.clock, [member])
  const { memberId, errorCode } = await coordinator.join(
    {
      groupId: 'group',
      memberId: '',
      groupInstanceId: null,
      clientId: 'slow',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: 60_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
      requiresKnownMemberId: true,
      supportsSkippingAssignment: true,
    },
    new AbortController().signal,
  )
  assert.equal(errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  assert.notEqual(memberId, '')
  const joining = member.join()
  await bed.clock.advance(3000)
  assert.equal(member.generationId, 1)
  // It never comes: after its session time-out nobody waits for it.
  await bed.clock.advance(5000)
  assert.equal((await joining).generationId, 2)
  bed.close()
})

test('a newer join of the same member takes the place of the one that waits', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  const joining = member.join()
  await bed.clock.advance(1000)
  const again = member.join()
  await bed.clock.advance(0)
  assert.equal((await joining).errorCode, ErrorCode.REBALANCE_IN_PROGRESS)
  await bed.clock.advance(2100)
  assert.equal((await again).errorCode, ErrorCode.NONE)
  bed.close()
})

test('a closing coordinator sends those that wait to another one', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = new TestMember(coordinator, 'group')
  const joining = member.join()
  await bed.clock.advance(0)
  coordinator.close()
  assert.equal((await joining).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(await member.heartbeat(), ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(await member.leave(), ErrorCode.COORDINATOR_NOT_AVAILABLE)
  bed.close()
})
