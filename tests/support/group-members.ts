import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { GroupCoordinator, type GroupLimits } from '../../src/state/groups/coordinator.js'
import type { JoinRequest } from '../../src/state/groups/requests.js'
import type { JoinAnswer } from '../../src/state/views/group-join.js'
import type { SyncAnswer } from '../../src/state/views/groups.js'
import { ManualClock } from './manual-clock.js'
import { type Instance, OrderedLedger } from './ordered-ledger.js'

export const testLimits: GroupLimits = {
  groupMinSessionTimeoutMs: 6000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 3000,
  groupMaxSize: 2_147_483_647,
  offsetsRetentionMinutes: 10_080,
  offsetMetadataBytesMax: 4096,
}

/** What somebody who has no member id yet joins the group `group` with. */
export const joinRequest: JoinRequest = {
  groupId: 'group',
  memberId: '',
  groupInstanceId: null,
  clientId: 'consumer',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
  requiresKnownMemberId: true,
  supportsSkippingAssignment: true,
}

/** Instances with a coordinator each, over one ledger and one clock. */
export class GroupTestBed {
  readonly clock = new ManualClock()
  readonly ledger = new OrderedLedger(this.clock)
  readonly coordinators: GroupCoordinator[] = []
  readonly #limits: Partial<GroupLimits>

  constructor(limits: Partial<GroupLimits> = {}) {
    this.#limits = limits
  }

  open(delayMs = 0): { instance: Instance; coordinator: GroupCoordinator } {
    const instance = this.ledger.open(delayMs)
    const coordinator = new GroupCoordinator({
      proposer: instance,
      clock: this.clock,
      random: seededRandom(instance.writer),
      log: silentLog(),
      limits: { ...testLimits, ...this.#limits },
    })
    this.coordinators.push(coordinator)
    return { instance, coordinator }
  }

  /** What a request comes to, after as much time as those who come to an empty group wait for each other. */
  async soon<Answer>(request: Promise<Answer>, ms = 20): Promise<Answer> {
    await this.clock.advance(ms)
    return request
  }

  async createTopic(name: string, partitionCount: number): Promise<void> {
    const [instance] = this.ledger.instances
    await instance?.propose('createTopic', { name, id: topicIdOf(name), partitionCount, configs: [] })
  }

  close(): void {
    for (const coordinator of this.coordinators) coordinator.close()
    this.ledger.assertAgreement()
  }
}

/** The id that a topic of that name gets here. */
export function topicIdOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0')
}

/** One consumer, as a client library would behave towards its coordinator, step by step. */
export class TestMember {
  readonly coordinator: GroupCoordinator
  readonly groupId: string
  readonly options: Partial<JoinRequest>
  connection = new AbortController()
  memberId = ''
  generationId = -1
  joined: JoinAnswer | undefined
  assignment = ''

  constructor(coordinator: GroupCoordinator, groupId: string, options: Partial<JoinRequest> = {}) {
    this.coordinator = coordinator
    this.groupId = groupId
    this.options = options
  }

  get isLeader(): boolean {
    return this.joined?.leader === this.memberId
  }

  /** Joins, a second time if it is told to come back with its member id. */
  async join(changes: Partial<JoinRequest> = {}): Promise<JoinAnswer> {
    const request: JoinRequest = {
      ...joinRequest,
      groupId: this.groupId,
      memberId: this.memberId,
      ...this.options,
      ...changes,
    }
    let answer = await this.coordinator.join(request, this.connection.signal)
    if (answer.errorCode === 79) {
      this.memberId = answer.memberId
      answer = await this.coordinator.join({ ...request, memberId: answer.memberId }, this.connection.signal)
    }
    if (answer.errorCode === 0) {
      this.joined = answer
      this.memberId = answer.memberId
      this.generationId = answer.generationId
    }
    return answer
  }

  /** Syncs; a leader gives each member a partition named by its place in the list. */
  async sync(): Promise<SyncAnswer> {
    const answer = await this.coordinator.sync(
      {
        groupId: this.groupId,
        memberId: this.memberId,
        groupInstanceId: this.options.groupInstanceId ?? null,
        generationId: this.generationId,
        protocolType: 'consumer',
        protocolName: this.joined?.protocolName ?? null,
        assignments: (this.joined?.members ?? []).map(({ memberId }, i) => ({
          memberId,
          assignment: Buffer.from(`partition ${i}`),
        })),
      },
      this.connection.signal,
    )
    this.assignment = Buffer.from(answer.assignment).toString()
    return answer
  }

  heartbeat(): Promise<number> {
    const { groupId, memberId, generationId } = this
    const groupInstanceId = this.options.groupInstanceId ?? null
    return this.coordinator.heartbeat({ groupId, memberId, groupInstanceId, generationId })
  }

  async leave(): Promise<number | undefined> {
    const members = [{ memberId: this.memberId, groupInstanceId: this.options.groupInstanceId ?? null }]
    const { errorCode, memberErrorCodes } = await this.coordinator.leave(this.groupId, members)
    return errorCode === 0 ? memberErrorCodes[0] : errorCode
  }

  async commit(topic: string, partition: number, offset: number, metadata: string | null = ''): Promise<number> {
    const { groupId, memberId, generationId } = this
    const [[errorCode] = []] = await this.coordinator.commitOffsets({
      groupId,
      memberId,
      groupInstanceId: this.options.groupInstanceId ?? null,
      generationId,
      topics: [{ name: topic, id: null, partitions: [{ partition, offset, leaderEpoch: 0, metadata }] }],
    })
    return errorCode ?? Number.NaN
  }

  /** Sends heartbeats every third of `sessionTimeoutMs` while `clock` goes on for `ms`. */
  async beatFor(clock: ManualClock, ms: number, everyMs = 3000): Promise<number> {
    let last = 0
    for (let passedMs = 0; passedMs < ms; passedMs += everyMs) {
      await clock.advance(Math.min(everyMs, ms - passedMs))
      last = await this.heartbeat()
    }
    return last
  }
}

/** Lets several consumers join, for as long as an initial rebalance takes, and sync until the group is stable. */
export async function stabilize(clock: ManualClock, members: readonly TestMember[]): Promise<void> {
  const joining = Promise.all(members.map((member) => member.join()))
  await clock.advance(6200)
  await joining
  const syncing = Promise.all(members.map((member) => member.sync()))
  await clock.advance(0)
  await syncing
}
