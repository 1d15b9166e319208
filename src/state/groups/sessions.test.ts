import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, stabilize, TestMember } from '../../../tests/support/group-members.js'
import { ErrorCode } from '../../protocol/error-codes.js'

test('a member that falls silent is removed after its session time-out, and the others share anew', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [silent, alive] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [silent, alive])
  assert.equal(await alive.beatFor(bed.clock, 9000), ErrorCode.NONE)
  assert.equal(await alive.beatFor(bed.clock, 3000), ErrorCode.REBALANCE_IN_PROGRESS)
  await alive.join()
  assert.equal(alive.generationId, 2)
  assert.equal(alive.isLeader, true)
  bed.close()
})

test('heartbeats keep a session alive, and cost one command per third of the session time-out for all members', async () => {
  const bed = new GroupTestBed()
  const { coordinator, instance } = bed.open()
  const members = [1, 2, 3, 4, 5].map(() => new TestMember(coordinator, 'group', { sessionTimeoutMs: 9000 }))
  await stabilize(bed.clock, members)
  const ordered = bed.ledger.entries.length
  for (let i = 0; i < 60; i++) {
    await bed.clock.advance(1000)
    for (const member of members) assert.equal(await member.heartbeat(), ErrorCode.NONE)
  }
  const touches = bed.ledger.entries.length - ordered
  assert.ok(touches >= 19 && touches <= 21, `${touches} touches`)
  assert.equal(instance.proposed.get('expireMember'), undefined)
  bed.close()
})

test('commits keep a session alive', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  await bed.createTopic('topic', 1)
  const member = new TestMember(coordinator, 'group')
  await stabilize(bed.clock, [member])
  for (let i = 0; i < 20; i++) {
    await bed.clock.advance(6000)
    assert.equal(await member.commit('topic', 0, i), ErrorCode.NONE)
  }
  bed.close()
})

test('a join that waits is as good as a heartbeat', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [waits, beats] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [waits, beats])
  const joining = waits.join({ protocols: [{ name: 'range', metadata: Buffer.from('changed') }] })
  // The other member does not join for a while longer than the session time-out.
  await beats.beatFor(bed.clock, 45_000)
  await beats.join()
  assert.equal((await joining).generationId, 2)
  bed.close()
})

test('a join whose connection is gone is dropped, and its member removed after the session time-out', async () => {
  const bed = new GroupTestBed()
  const { coordinator } = bed.open()
  const [gone, stays] = [new TestMember(coordinator, 'group'), new TestMember(coordinator, 'group')]
  await stabilize(bed.clock, [stays])
  const lost = gone.join()
  await bed.clock.advance(0)
  gone.connection.abort()
  assert.equal((await lost).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  await stays.join()
  assert.equal(stays.joined?.members.length, 2)
  assert.equal(await stays.beatFor(bed.clock, 9000), ErrorCode.NONE)
  assert.equal(await stays.beatFor(bed.clock, 6000), ErrorCode.REBALANCE_IN_PROGRESS)
  await stays.join()
  assert.equal(stays.joined?.members.length, 1)
  bed.close()
})

test('members spread over two instances form one group', async () => {
  const bed = new GroupTestBed()
  const [here, there] = [bed.open(20), bed.open(50)]
  const members = [1, 2, 3, 4].map((i) => new TestMember((i % 2 ? here : there).coordinator, 'group'))
  await stabilize(bed.clock, members)
  assert.equal(members.filter((member) => member.isLeader).length, 1)
  assert.equal(new Set(members.map((member) => member.assignment)).size, 4)
  for (let i = 0; i < 30; i++) {
    await bed.clock.advance(3000)
    for (const member of members) assert.equal(await member.heartbeat(), ErrorCode.NONE)
  }
  // Any of them can go on at the other instance.
  const moved = new TestMember(there.coordinator, 'group')
  moved.memberId = members[0]?.memberId ?? ''
  moved.generationId = 1
  assert.equal(await moved.heartbeat(), ErrorCode.NONE)
  bed.close()
})

test('what a member learnt from another instance a moment ago is not refused', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const [here, there] = [bed.open(), bed.open(60_000)]
  const member = new TestMember(here.coordinator, 'group')
  await bed.soon(member.join())
  await bed.soon(member.sync())
  const moved = new TestMember(there.coordinator, 'group')
  moved.memberId = member.memberId
  moved.generationId = member.generationId
  assert.equal(await moved.heartbeat(), ErrorCode.NONE)
  const [described] = await there.coordinator.describe(['group'])
  assert.equal(described?.groupState, 'Stable')
  bed.close()
})

test('members of an instance that dies are removed by another one', async () => {
  const bed = new GroupTestBed()
  const [dies, lives] = [bed.open(), bed.open()]
  const [orphan, member] = [new TestMember(dies.coordinator, 'group'), new TestMember(lives.coordinator, 'group')]
  await stabilize(bed.clock, [orphan, member])
  dies.coordinator.close()
  dies.instance.cut()
  assert.equal(await member.beatFor(bed.clock, 12_000), ErrorCode.REBALANCE_IN_PROGRESS)
  await member.join()
  assert.equal(member.joined?.members.length, 1)
  dies.instance.mend()
  bed.close()
})

test('of two instances that see a session end, the one that served the member acts', async () => {
  const bed = new GroupTestBed()
  const [here, there] = [bed.open(), bed.open()]
  const member = new TestMember(here.coordinator, 'group')
  await stabilize(bed.clock, [member])
  await bed.clock.advance(15_000)
  assert.equal(here.instance.proposed.get('expireMember'), 1)
  assert.equal(there.instance.proposed.get('expireMember'), undefined)
  const [described] = await there.coordinator.describe(['group'])
  assert.equal(described?.groupState, 'Empty')
  bed.close()
})

test('an expiry that a touch came before in the ledger has no effect', async () => {
  const bed = new GroupTestBed()
  const { coordinator, instance } = bed.open()
  const member = new TestMember(coordinator, 'group')
  await stabilize(bed.clock, [member])
  const { memberId } = member
  const armedAt = instance.state.groups.byId('group')?.members.get(memberId)?.session.armedAt ?? -1
  await instance.propose('touchMembers', { members: [['group', memberId, 0]] })
  assert.deepEqual(await instance.propose('expireMember', { groupId: 'group', memberId, armedAt }), {
    isEffective: false,
  })
  assert.equal(await member.heartbeat(), ErrorCode.NONE)
  const touchedAt = instance.state.groups.byId('group')?.members.get(memberId)?.session.armedAt ?? -1
  assert.deepEqual(await instance.propose('expireMember', { groupId: 'group', memberId, armedAt: touchedAt }), {
    isEffective: true,
  })
  assert.equal(await member.heartbeat(), ErrorCode.UNKNOWN_MEMBER_ID)
  bed.close()
})

test('an outage of the store counts against nobody', async () => {
  const bed = new GroupTestBed()
  const [here, there] = [bed.open(), bed.open()]
  const members = [new TestMember(here.coordinator, 'group'), new TestMember(there.coordinator, 'group')]
  await stabilize(bed.clock, members)
  for (const { instance } of [here, there]) instance.cut()
  for (let i = 0; i < 20; i++) {
    await bed.clock.advance(3000)
    for (const member of members) await member.heartbeat()
  }
  assert.equal(await members[0]?.heartbeat(), ErrorCode.COORDINATOR_NOT_AVAILABLE)
  // One of them reaches the store earlier than the other and must not think its members dead.
  here.instance.mend()
  await bed.clock.advance(4000)
  there.instance.mend()
  for (let i = 0; i < 10; i++) {
    await bed.clock.advance(3000)
    for (const member of members) assert.equal(await member.heartbeat(), ErrorCode.NONE)
  }
  bed.close()
})

test('an instance that starts measures the sessions it finds from now on', async () => {
  const bed = new GroupTestBed()
  const dies = bed.open()
  const member = new TestMember(dies.coordinator, 'group')
  await stabilize(bed.clock, [member])
  dies.coordinator.close()
  await bed.clock.advance(60_000)
  const starts = bed.open()
  starts.instance.catchUp()
  await bed.clock.advance(9000)
  const [before] = await starts.coordinator.describe(['group'])
  assert.equal(before?.members.length, 1)
  await bed.clock.advance(3000)
  const [after] = await starts.coordinator.describe(['group'])
  assert.equal(after?.groupState, 'Empty')
  bed.close()
})

test('when the ledger can not be reached, clients are told to look elsewhere', async () => {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator, instance } = bed.open()
  const member = new TestMember(coordinator, 'group')
  await bed.soon(member.join())
  instance.cut()
  const unavailable = ErrorCode.COORDINATOR_NOT_AVAILABLE
  assert.equal((await bed.soon(member.sync())).errorCode, unavailable)
  assert.equal((await new TestMember(coordinator, 'group').join()).errorCode, unavailable)
  assert.equal(await member.leave(), unavailable)
  assert.equal(await member.commit('topic', 0, 1), unavailable)
  assert.equal((await coordinator.fetchOffsets('group', null)).errorCode, unavailable)
  assert.equal((await coordinator.list([], [])).errorCode, unavailable)
  assert.equal((await coordinator.describe(['group']))[0]?.errorCode, unavailable)
  assert.deepEqual(await coordinator.delete(['group']), [unavailable])
  // A heartbeat of a known member is answered for a while without the store, a refusal is not.
  assert.equal(await member.heartbeat(), ErrorCode.NONE)
  assert.equal(await new TestMember(coordinator, 'group').heartbeat(), unavailable)
  await bed.clock.advance(4000)
  assert.equal(await member.heartbeat(), unavailable)
  instance.mend()
  bed.close()
})
