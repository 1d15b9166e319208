import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, joinRequest, TestMember } from '../../../tests/support/group-members.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { GroupCoordinator } from './coordinator.js'
import type { JoinRequest } from './requests.js'

/** A group `group` without an initial delay, and consumers that join, sync, and join again when they are told to. */
function openGroup() {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator, instance } = bed.open()
  const come = (options: Partial<JoinRequest> = {}, to: GroupCoordinator = coordinator) => {
    const member = new TestMember(to, 'group', options)
    return { member, stable: untilStable(member) }
  }
  return { bed, coordinator, instance, come }
}

async function untilStable(member: TestMember, hasJoined = false): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    if (!hasJoined || !isFirst) {
      const joined = await member.join()
      // The test is over.
      if (joined.errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) return
      assert.equal(joined.errorCode, ErrorCode.NONE)
    }
    const { errorCode } = await member.sync()
    if (errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) return assert.equal(errorCode, ErrorCode.NONE)
  }
}

const generations = (members: readonly { member: TestMember }[]) =>
  new Set(members.map(({ member }) => member.generationId))

test('who comes alone to an empty group has its assignment after a few milliseconds', async () => {
  const { bed, come } = openGroup()
  const { member, stable } = come()
  await bed.clock.advance(5)
  assert.equal(member.generationId, -1)
  await bed.clock.advance(1)
  await stable
  assert.equal(member.generationId, 1)
  assert.equal(member.assignment, 'partition 0')
  bed.close()
})

for (const requiresKnownMemberId of [true, false])
  test(`a hundred who come one after the other share a generation, ${requiresKnownMemberId ? 'told their ids' : 'without being told ids'}`, async () => {
    const { bed, instance, come } = openGroup()
    const all = []
    for (let i = 0; i < 100; i++) {
      all.push(come({ requiresKnownMemberId }))
      await bed.clock.advance(i < 30 ? i % 8 : 5)
    }
    await bed.clock.advance(30)
    await Promise.all(all.map(({ stable }) => stable))
    assert.equal(generations(all).size, 1)
    assert.ok(all.every(({ member }) => member.assignment !== ''))
    assert.ok((instance.proposed.get('syncGroup') ?? 0) < 120)
    bed.close()
  })

test('the assignment of one who was alone waits for another who has come meanwhile, and is void', async () => {
  const { bed, coordinator, come } = openGroup()
  const first = new TestMember(coordinator, 'group')
  await bed.soon(first.join(), 6)
  assert.equal(first.generationId, 1)
  const second = come()
  const stable = untilStable(first, true)
  await bed.clock.advance(40)
  await Promise.all([stable, second.stable])
  assert.deepEqual([first.generationId, second.member.generationId], [2, 2])
  bed.close()
})

test('who has looked for the coordinator is waited for, though not for long', async () => {
  const { bed, coordinator, come } = openGroup()
  const first = come()
  await bed.clock.advance(3)
  coordinator.sought('group')
  await bed.clock.advance(90)
  assert.equal(first.member.assignment, '')
  const second = come()
  await bed.clock.advance(30)
  await Promise.all([first.stable, second.stable])
  assert.equal(generations([first, second]).size, 1)
  bed.close()

  const other = openGroup()
  const alone = other.come()
  await other.bed.clock.advance(3)
  other.coordinator.sought('group')
  await other.bed.clock.advance(110)
  await alone.stable
  other.bed.close()
})

test('the assignment waits for one who was told an id by another instance, though not for long', async () => {
  for (const doesCome of [true, false]) {
    const { bed, coordinator } = openGroup()
    const other = bed.open().coordinator
    const first = new TestMember(coordinator, 'group')
    await bed.soon(first.join(), 6)
    const second = new TestMember(other, 'group')
    const { memberId } = await other.join(joinRequest, second.connection.signal)
    second.memberId = memberId
    const stable = [untilStable(first, true)]
    await bed.clock.advance(90)
    assert.equal(first.assignment, '')
    if (doesCome) stable.push(untilStable(second))
    await bed.clock.advance(10)
    await Promise.all(stable)
    assert.deepEqual([first.generationId, second.generationId], doesCome ? [2, 2] : [1, -1])
    bed.close()
  }
})

test('nobody waits for longer than a second, however many come', async () => {
  const { bed, come } = openGroup()
  const all = []
  for (let i = 0; i < 100; i++) {
    all.push(come())
    await bed.clock.advance(13)
  }
  assert.ok(all[0]?.member.assignment !== '')
  assert.equal(all[0]?.member.generationId, 1)
  bed.close()
})

test('who joins a group that is not empty does not wait here', async () => {
  const { bed, come } = openGroup()
  const first = come()
  await bed.clock.advance(10)
  await first.stable
  const second = come()
  await bed.clock.advance(0)
  assert.equal(await first.member.heartbeat(), ErrorCode.REBALANCE_IN_PROGRESS)
  void untilStable(first.member)
  await bed.clock.advance(0)
  await second.stable
  assert.equal(second.member.generationId, 2)
  bed.close()
})

test('where there is an initial delay nobody waits here besides', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 1000 })
  const { coordinator, instance } = bed.open()
  void new TestMember(coordinator, 'group', { requiresKnownMemberId: false }).join()
  assert.equal(instance.proposed.get('joinGroup'), 1)
  bed.close()
})

test('who gives up while it waits has not joined', async () => {
  const { bed, coordinator, instance, come } = openGroup()
  const others = [come(), come()]
  const gone = new TestMember(coordinator, 'group', { requiresKnownMemberId: false })
  void gone.join()
  await bed.clock.advance(1)
  gone.connection.abort()
  await bed.clock.advance(40)
  await Promise.all(others.map(({ stable }) => stable))
  assert.equal(instance.state.groups.byId('group')?.members.size, 2)
  bed.close()
})

test('a coordinator that closes keeps nobody waiting, and lets nobody join', async () => {
  const { bed, coordinator, instance } = openGroup()
  const members = [1, 2].map(() => new TestMember(coordinator, 'group', { requiresKnownMemberId: false }))
  const joining = members.map((member) => member.join())
  coordinator.close()
  for (const { errorCode } of await Promise.all(joining)) assert.equal(errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(instance.proposed.get('joinGroup'), undefined)
  bed.close()
})
