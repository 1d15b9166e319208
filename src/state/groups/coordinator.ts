import type { Clock } from '../../base/clock.js'
import { UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { Proposer } from '../ledger/proposer.js'
import { type JoinAnswer, joinRefused } from '../views/group-join.js'
import { type SyncAnswer, syncRefused } from '../views/groups.js'
import type { CommittedPartition } from '../views/offsets.js'
import { Deadlines } from './deadlines.js'
import { Gatherings } from './gatherings.js'
import {
  type DescribedGroup,
  describeGroup,
  type FetchedTopic,
  type ListedGroup,
  listGroups,
  readOffsets,
} from './listing.js'
import { OffsetRetention } from './offset-retention.js'
import { ParkedRequests } from './parked.js'
import type { CommitRequest, HeartbeatRequest, JoinRequest, SyncRequest } from './requests.js'
import { Sessions } from './sessions.js'

/** Kafka's settings of the same names. */
export interface GroupLimits {
  groupMinSessionTimeoutMs: number
  groupMaxSessionTimeoutMs: number
  groupInitialRebalanceDelayMs: number
  groupMaxSize: number
  offsetsRetentionMinutes: number
  /** `offset.metadata.max.bytes`; Kafka counts characters, and so do we. */
  offsetMetadataBytesMax: number
}

/** What the server asks of a coordinator, whatever ledgers there are. */
export type Coordinator = Pick<GroupCoordinator, keyof GroupCoordinator>

export interface GroupCoordinatorOptions {
  proposer: Proposer
  clock: Clock
  random: Random
  log: Log
  limits: GroupLimits
}

/**
 * The coordinator of every group, on every instance: a request becomes a command, the ledger orders it, and the view
 * tells what it came to. No method throws for a client's mistake, nor when the ledger can't be reached: that is
 * COORDINATOR_NOT_AVAILABLE, by which clients look for another coordinator.
 */
export class GroupCoordinator {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: GroupLimits
  readonly #gatherings: Gatherings
  readonly #parked: ParkedRequests
  readonly #sessions: Sessions
  readonly #deadlines: Deadlines
  readonly #retention: OffsetRetention
  #requests = 0
  #isClosed: boolean = false

  constructor({ proposer, clock, random, log, limits }: GroupCoordinatorOptions) {
    this.#proposer = proposer
    this.#clock = clock
    this.#random = random
    this.#limits = limits
    this.#gatherings = new Gatherings(proposer, clock)
    const parked = new ParkedRequests(proposer)
    const sessions = new Sessions({ proposer, clock, log, parked })
    this.#parked = parked
    this.#sessions = sessions
    this.#deadlines = new Deadlines({ proposer, clock, random, log, parked, sessions })
    this.#retention = new OffsetRetention({
      proposer,
      clock,
      random,
      log,
      retentionMs: limits.offsetsRetentionMinutes * 60_000,
    })
  }

  /** A client looks for the group's coordinator. */
  sought(groupId: string): void {
    this.#gatherings.sought(groupId)
  }

  /** Waits for the end of the join phase; `signal` says that the connection is gone. */
  async join(request: JoinRequest, signal: AbortSignal): Promise<JoinAnswer> {
    const { groupId, sessionTimeoutMs } = request
    if (this.#isClosed) return joinRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE, request.memberId)
    if (groupId === '') return joinRefused(ErrorCode.INVALID_GROUP_ID, request.memberId)
    if (
      sessionTimeoutMs < this.#limits.groupMinSessionTimeoutMs ||
      sessionTimeoutMs > this.#limits.groupMaxSessionTimeoutMs
    )
      return joinRefused(ErrorCode.INVALID_SESSION_TIMEOUT, request.memberId)
    const newMemberId = `${request.groupInstanceId ?? request.clientId}-${this.#random.uuid()}`
    const memberId = request.memberId === '' ? newMemberId : request.memberId
    const mayGather = this.#limits.groupInitialRebalanceDelayMs === 0
    const name = this.#nameRequest()
    return this.#parked.join(
      { groupId, memberId, request: name },
      async () => {
        const gathering = mayGather ? this.#gatherings.join(request) : undefined
        if (gathering !== undefined) await gathering
        if (signal.aborted || this.#isClosed) return joinRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE, memberId)
        const outcome = await this.#proposer.propose('joinGroup', {
          groupId,
          memberId: request.memberId,
          newMemberId,
          groupInstanceId: request.groupInstanceId,
          clientId: request.clientId,
          clientHost: request.clientHost,
          sessionTimeoutMs,
          rebalanceTimeoutMs: request.rebalanceTimeoutMs,
          protocolType: request.protocolType,
          protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata })),
          request: name,
          requiresKnownMemberId: request.requiresKnownMemberId,
          supportsSkippingAssignment: request.supportsSkippingAssignment,
          groupSizeMax: this.#limits.groupMaxSize,
          initialRebalanceDelayMs: this.#limits.groupInitialRebalanceDelayMs,
        })
        if (outcome === 'parked' || outcome.errorCode === ErrorCode.NONE) this.#heard(groupId, memberId)
        return outcome
      },
      signal,
    )
  }

  /** Waits for the leader's assignment; `signal` says that the connection is gone. */
  async sync(request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> {
    const { groupId, memberId, generationId } = request
    if (this.#isClosed) return syncRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    if (groupId === '') return syncRefused(ErrorCode.INVALID_GROUP_ID)
    const name = this.#nameRequest()
    return this.#parked.sync(
      { groupId, memberId, generationId, request: name },
      async () => {
        const isLeader = this.#proposer.state.groups.byId(groupId)?.leader === memberId
        const gathering = isLeader ? this.#gatherings.assign(groupId) : undefined
        if (gathering !== undefined) await gathering
        if (signal.aborted || this.#isClosed) return syncRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        const outcome = await this.#proposer.propose('syncGroup', {
          groupId,
          memberId,
          groupInstanceId: request.groupInstanceId,
          generationId,
          protocolType: request.protocolType,
          protocolName: request.protocolName,
          assignments: request.assignments.map((each) => [each.memberId, each.assignment]),
          request: name,
        })
        if (outcome === 'parked' || outcome.errorCode === ErrorCode.NONE) this.#heard(groupId, memberId)
        return outcome
      },
      signal,
    )
  }

  /** Answered from what this instance knows, without I/O, unless that is old or would be a refusal. */
  async heartbeat(request: HeartbeatRequest): Promise<ErrorCode> {
    if (this.#isClosed) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if (request.groupId === '') return ErrorCode.INVALID_GROUP_ID
    const heardAtMs = this.#clock.monotonic()
    const answer = this.#judgeHeartbeat(request, heardAtMs)
    const member = this.#proposer.state.groups.byId(request.groupId)?.members.get(request.memberId)
    const isRefusal = answer !== ErrorCode.NONE && answer !== ErrorCode.REBALANCE_IN_PROGRESS
    if (!isRefusal && this.#proposer.tailAgeMs() <= Math.min((member?.sessionTimeoutMs ?? 0) / 3, 3000)) return answer
    try {
      await this.#proposer.barrier()
    } catch (error) {
      return unavailable(error)
    }
    return this.#judgeHeartbeat(request, heardAtMs)
  }

  /** One error code per member, in order; with an `errorCode` of its own the whole request has failed. */
  async leave(
    groupId: string,
    members: readonly { memberId: string; groupInstanceId: string | null }[],
  ): Promise<{ errorCode: ErrorCode; memberErrorCodes: ErrorCode[] }> {
    if (this.#isClosed) return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, memberErrorCodes: [] }
    if (groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, memberErrorCodes: [] }
    try {
      const outcome = await this.#proposer.propose('leaveGroup', {
        groupId,
        members: members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId })),
      })
      return { errorCode: ErrorCode.NONE, memberErrorCodes: outcome.memberErrorCodes }
    } catch (error) {
      return { errorCode: unavailable(error), memberErrorCodes: [] }
    }
  }

  /**
   * One error code per partition, as in the request. GROUP_ID_NOT_FOUND (KIP-848; ILLEGAL_GENERATION before
   * OffsetCommit v9) if a member commits to a group that is not there; COORDINATOR_LOAD_IN_PROGRESS, by which clients ask
   * again, for a partition for which another instance took a commit that this one did not know of. `after`: commands
   * that this instance had applied when the request came.
   */
  async commitOffsets(request: CommitRequest, after = this.#proposer.state.position): Promise<ErrorCode[][]> {
    const all = (errorCode: ErrorCode): ErrorCode[][] =>
      request.topics.map((topic) => topic.partitions.map(() => errorCode))
    if (this.#isClosed) return all(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    const isTooLarge = (metadata: string | null): boolean =>
      (metadata?.length ?? 0) > this.#limits.offsetMetadataBytesMax
    try {
      const outcome = await this.#proposer.propose('commitOffsetsAfter', {
        groupId: request.groupId,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId,
        generationId: request.generationId,
        topics: request.topics.map(({ name, id, partitions }) => ({
          name,
          id,
          partitions: partitions
            .filter(({ metadata }) => !isTooLarge(metadata))
            .map((each): CommittedPartition => [each.partition, each.offset, each.leaderEpoch, each.metadata ?? '']),
        })),
        after,
      })
      if (outcome.errorCode !== ErrorCode.NONE) return all(outcome.errorCode)
      this.#heard(request.groupId, request.memberId)
      return request.topics.map(({ partitions }, i) => {
        const committed = (outcome.partitionErrorCodes[i] ?? []).values()
        return partitions.map(({ metadata }) =>
          isTooLarge(metadata)
            ? ErrorCode.OFFSET_METADATA_TOO_LARGE
            : (committed.next().value ?? ErrorCode.UNKNOWN_SERVER_ERROR),
        )
      })
    } catch (error) {
      return all(unavailable(error))
    }
  }

  /** What anybody was told is committed; `topics` null asks for all that the group has. */
  async fetchOffsets(
    groupId: string,
    topics: readonly { name: string; partitions: readonly number[] }[] | null,
  ): Promise<{ errorCode: ErrorCode; topics: FetchedTopic[] }> {
    const errorCode = await this.#confirm()
    if (errorCode !== ErrorCode.NONE) return { errorCode, topics: [] }
    return { errorCode, topics: readOffsets(this.#proposer.state, groupId, topics) }
  }

  async describe(groupIds: readonly string[]): Promise<DescribedGroup[]> {
    const errorCode = await this.#confirm()
    return groupIds.map((groupId) =>
      errorCode === ErrorCode.NONE
        ? describeGroup(this.#proposer.state, groupId)
        : { errorCode, groupId, groupState: '', protocolType: '', protocolData: '', members: [] },
    )
  }

  /** Groups in one of the states and of one of the types; an empty filter lets all through. Case does not matter. */
  async list(
    states: readonly string[],
    types: readonly string[],
  ): Promise<{ errorCode: ErrorCode; groups: ListedGroup[] }> {
    const errorCode = await this.#confirm()
    return { errorCode, groups: errorCode === ErrorCode.NONE ? listGroups(this.#proposer.state, states, types) : [] }
  }

  /** Deletes empty groups and their offsets; one error code per group, in order. */
  async delete(groupIds: readonly string[]): Promise<ErrorCode[]> {
    if (this.#isClosed) return groupIds.map(() => ErrorCode.COORDINATOR_NOT_AVAILABLE)
    try {
      return (await this.#proposer.propose('deleteGroups', { groupIds: [...groupIds] })).errorCodes
    } catch (error) {
      const errorCode = unavailable(error)
      return groupIds.map(() => errorCode)
    }
  }

  /** Sends those that wait to another instance and stops measuring time-outs. To be called before the ledger closes. */
  close(): void {
    this.#isClosed = true
    this.#deadlines.close()
    this.#sessions.close()
    this.#retention.close()
    this.#parked.close()
    this.#gatherings.close()
  }

  #judgeHeartbeat(request: HeartbeatRequest, heardAtMs: number): ErrorCode {
    const group = this.#proposer.state.groups.byId(request.groupId)
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    const refusal = group.validateMember(request.memberId, request.groupInstanceId)
    if (refusal !== ErrorCode.NONE) return refusal
    if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION
    this.#heard(request.groupId, request.memberId, heardAtMs)
    return group.phase === 'preparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  #heard(groupId: string, memberId: string, heardAtMs = this.#clock.monotonic()): void {
    const member = this.#proposer.state.groups.byId(groupId)?.members.get(memberId)
    if (member !== undefined) this.#sessions.heard(groupId, memberId, member.sessionTimeoutMs, heardAtMs)
  }

  /** NONE once all is known here that anybody was told before. */
  async #confirm(): Promise<ErrorCode> {
    if (this.#isClosed) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    try {
      await this.#proposer.barrier()
      return ErrorCode.NONE
    } catch (error) {
      return unavailable(error)
    }
  }

  /** Unique for all time: writer numbers are. */
  #nameRequest(): string {
    return `${this.#proposer.writer}-${this.#requests++}`
  }
}

/** @throws what is not an `UnavailableError`. */
export function unavailable(error: unknown): ErrorCode {
  if (error instanceof UnavailableError) return ErrorCode.COORDINATOR_NOT_AVAILABLE
  throw error
}
