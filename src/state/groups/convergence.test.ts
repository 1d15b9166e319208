import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, TestMember } from '../../../tests/support/group-members.js'
import type { ManualClock } from '../../../tests/support/manual-clock.js'
import { type Random, seededRandom } from '../../base/random.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { GroupCoordinator } from './coordinator.js'

/** Who led and who had what in a generation, as its members were told. */
interface Told {
  leaders: Set<string>
  assignments: Map<string, string>
}

/** A consumer as client libraries are: it joins, syncs, sends heartbeats, and starts again when it is told to. */
async function consume(options: {
  member: TestMember
  clock: ManualClock
  told: Map<number, Told>
  stop: AbortSignal
  /** Which instance it finds when it looks for its coordinator. */
  find(): GroupCoordinator
}): Promise<void> {
  const { clock, told, stop } = options
  let { member } = options
  const lookElsewhere = async (): Promise<void> => {
    await clock.sleep(100)
    const { memberId, generationId } = member
    member = Object.assign(new TestMember(options.find(), 'group', member.options), { memberId, generationId })
  }
  stop.addEventListener('abort', () => member.connection.abort())
  const forget = (): void => {
    member.memberId = ''
  }
  while (!stop.aborted) {
    const joined = await member.join()
    if (stop.aborted) return
    if (joined.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) forget()
    if (joined.errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) await lookElsewhere()
    if (joined.errorCode !== ErrorCode.NONE) continue
    const synced = await member.sync()
    if (stop.aborted) return
    if (synced.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) forget()
    if (synced.errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) await lookElsewhere()
    if (synced.errorCode !== ErrorCode.NONE) continue
    const generation = told.get(joined.generationId) ?? { leaders: new Set(), assignments: new Map() }
    told.set(joined.generationId, generation)
    generation.leaders.add(joined.leader)
    const owner = generation.assignments.get(member.assignment)
    assert.ok(owner === undefined || owner === member.memberId, 'an assignment is given to one member of a generation')
    generation.assignments.set(member.assignment, member.memberId)
    assert.equal(generation.leaders.size, 1, 'a generation has one leader')
    for (;;) {
      await clock.sleep(1000)
      if (stop.aborted) return
      const errorCode = await member.heartbeat()
      if (errorCode === ErrorCode.NONE) continue
      if (errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) {
        await lookElsewhere()
        continue
      }
      if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) forget()
      break
    }
  }
}

async function simulate(seed: number): Promise<void> {
  const random: Random = seededRandom(seed)
  const bed = new GroupTestBed()
  const instances = [bed.open(5), bed.open(40), bed.open(200)]
  const told = new Map<number, Told>()
  const running = new Map<AbortController, Promise<void>>()
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random.next() * all.length)] as T
  const start = (): void => {
    const stop = new AbortController()
    const find = (): GroupCoordinator => pick(instances).coordinator
    const member = new TestMember(find(), 'group', { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 10_000 })
    running.set(stop, consume({ member, clock: bed.clock, told, stop: stop.signal, find }))
  }
  const kill = (): void => {
    const stop = pick([...running.keys()])
    running.delete(stop)
    stop.abort()
  }
  for (let i = 0; i < 4; i++) start()
  for (let step = 0; step < 40; step++) {
    await bed.clock.advance(random.next() * 4000)
    const chance = random.next()
    if (chance < 0.2) start()
    else if (chance < 0.4 && running.size > 1) kill()
    else if (chance < 0.6) pick(instances).instance.cut()
    else for (const { instance } of instances) if (instance.isCut) instance.mend()
  }
  for (const { instance } of instances) if (instance.isCut) instance.mend()
  await bed.clock.advance(60_000)
  const [described] = await pick(instances).coordinator.describe(['group'])
  assert.equal(described?.groupState, 'Stable')
  assert.equal(described.members.length, running.size, 'those that live are in, and nobody else')
  const assignments = described.members.map((member) => member.memberAssignment.toString())
  assert.equal(new Set(assignments).size, running.size)
  const settled = bed.ledger.entries.filter(({ kind }) => kind === 'joinGroup').length
  await bed.clock.advance(30_000)
  assert.equal(
    bed.ledger.entries.filter(({ kind }) => kind === 'joinGroup').length,
    settled,
    'nobody joins again without reason',
  )
  for (const stop of running.keys()) stop.abort()
  const ends = Promise.all(running.values())
  await bed.clock.advance(2000)
  await ends
  bed.close()
}

test('whoever comes, goes, dies or loses its instance, the group comes to rest with those that live', async () => {
  for (let seed = 1; seed <= 20; seed++)
    try {
      await simulate(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
})
