import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, stabilize, TestMember } from '../../../tests/support/group-members.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { GroupCoordinator } from './coordinator.js'

const named = (coordinator: GroupCoordinator, groupInstanceId: string, options = {}) =>
  new TestMember(coordinator, 'group', { groupInstanceId, ...options })

test('a static member that restarts gets its old assignment under a new id, and nobody has to rebalance', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [named(coordinator, 'a'), named(coordinator, 'b')]
  await stabilize(bed.clock, members)
  const leader = members.find((member) => member.isLeader)
  const follower = members.find((member) => !member.isLeader)
  assert.ok(leader && follower)
  const restarted = named(coordinator, follower.options.groupInstanceId ?? '')
  const answer = await restarted.join()
  assert.equal(answer.errorCode, ErrorCode.NONE)
  assert.equal(answer.generationId, 1)
  assert.equal(answer.skipAssignment, false)
  assert.notEqual(answer.memberId, follower.memberId)
  await restarted.sync()
  assert.equal(restarted.assignment, follower.assignment)
  assert.equal(await leader.heartbeat(), ErrorCode.NONE)
  assert.equal(await follower.heartbeat(), ErrorCode.FENCED_INSTANCE_ID)
  assert.equal((await follower.join()).errorCode, ErrorCode.FENCED_INSTANCE_ID)
  assert.equal(await follower.leave(), ErrorCode.FENCED_INSTANCE_ID)
  bed.close()
})

test('a static leader that restarts is told that there is nothing to assign', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [named(coordinator, 'a'), named(coordinator, 'b')]
  await stabilize(bed.clock, members)
  const leader = members.find((member) => member.isLeader)
  assert.ok(leader)
  const restarted = named(coordinator, leader.options.groupInstanceId ?? '')
  const answer = await restarted.join()
  assert.equal(answer.skipAssignment, true)
  assert.equal(answer.leader, answer.memberId)
  assert.equal(answer.members.length, 2)
  bed.close()
})

test('a static leader of an older client that restarts is not told that it leads', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = named(coordinator, 'a')
  await stabilize(bed.clock, [member])
  const answer = await named(coordinator, 'a').join({ supportsSkippingAssignment: false })
  assert.equal(answer.leader, member.memberId)
  assert.deepEqual(answer.members, [])
  bed.close()
})

test('a static member that restarts with another protocol selected begins a rebalance', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const protocols = ['range', 'sticky'].map((name) => ({ name, metadata: Buffer.from(name) }))
  const members = [named(coordinator, 'a', { protocols }), named(coordinator, 'b', { protocols })]
  await stabilize(bed.clock, members)
  const joining = named(coordinator, 'b').join({ protocols: protocols.slice(1) })
  await bed.clock.advance(0)
  assert.equal(await members[0]?.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await members[0]?.join()
  assert.equal((await joining).protocolName, 'sticky')
  bed.close()
})

test('the parked join of a static member is fenced by a newer instance of it', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const first = named(coordinator, 'a')
  const joining = first.join()
  await bed.clock.advance(1000)
  const again = named(coordinator, 'a').join()
  await bed.clock.advance(0)
  assert.equal((await joining).errorCode, ErrorCode.FENCED_INSTANCE_ID)
  await bed.clock.advance(5000)
  assert.equal((await again).errorCode, ErrorCode.NONE)
  bed.close()
})

test('a static member that restarts before its assignment is there begins a rebalance', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const members = [named(coordinator, 'a'), named(coordinator, 'b')]
  const joining = Promise.all(members.map((member) => member.join()))
  await bed.clock.advance(6200)
  await joining
  const [first] = members
  assert.ok(first)
  const restarted = named(coordinator, 'b').join()
  await bed.clock.advance(0)
  assert.equal(await first.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  await first.join()
  assert.equal((await restarted).generationId, 2)
  bed.close()
})

test('a static member stays in the next generation without joining, until its session ends', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const away = named(coordinator, 'away', { sessionTimeoutMs: 120_000 })
  const leader = new TestMember(coordinator, 'group')
  await stabilize(bed.clock, [leader, away])
  const joining = leader.join({ protocols: [{ name: 'range', metadata: Buffer.from('changed') }] })
  await bed.clock.advance(61_500)
  assert.equal((await joining).generationId, 2)
  assert.equal(leader.joined?.members.length, 2)
  bed.close()
})

test('an administrator removes a static member by its instance id', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const member = named(coordinator, 'a')
  await stabilize(bed.clock, [member])
  const { memberErrorCodes } = await coordinator.leave('group', [
    { memberId: '', groupInstanceId: 'a' },
    { memberId: '', groupInstanceId: 'nobody' },
  ])
  assert.deepEqual(memberErrorCodes, [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID])
  assert.equal(await member.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  bed.close()
})
