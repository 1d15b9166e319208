import { ErrorCode } from '../../protocol/error-codes.js'
import { Captures, type Slices } from './capture.js'
import { arm, emptyAssignment, Group, type Member } from './group.js'
import { type JoinGroupCommand, type JoinOutcome, joinGroup, joinRefused } from './group-join.js'
import {
  assignAndStabilize,
  dropMember,
  joinTimedOut,
  maybeCompleteJoin,
  rebalanceAfterRemoval,
  syncTimedOut,
} from './group-rebalance.js'
import { captureGroup, groupFromSnapshot, groupToSnapshot, type PackedGroup } from './group-snapshot.js'
import type { ApplyTable, Place } from './view.js'

/** Classic consumer groups. Their offsets are in `offsets.ts`. */
export class Groups {
  readonly #byId = new Map<string, Group>()
  readonly #captures = new Captures<Group>(captureGroup)

  /** To be looked at; `forChange` gives one to be changed. */
  byId(groupId: string): Group | undefined {
    return this.#byId.get(groupId)
  }

  /** The group, which may now be changed. */
  forChange(groupId: string): Group | undefined {
    const group = this.#byId.get(groupId)
    if (group !== undefined) this.#captures.willChange(group)
    return group
  }

  /** All groups, in the order of their creation. */
  all(): Iterable<Group> {
    return this.#byId.values()
  }

  get size(): number {
    return this.#byId.size
  }

  /**
   * The group, to be changed; made if there is none: who commits without ever joining gets a simple group, as in Kafka.
   */
  ensure(groupId: string, place: Place): Group {
    let group = this.forChange(groupId)
    if (group === undefined) {
      group = new Group(groupId, place, this.#captures.count)
      this.#byId.set(groupId, group)
    }
    return group
  }

  remove(groupId: string): void {
    this.#byId.delete(groupId)
  }

  /** Begins to take all groups as they are now. */
  capture(): Slices {
    return this.#captures.begin([...this.#byId.values()])
  }

  /** Takes back a group that a capture gave; in the same order. */
  restore(plain: unknown): void {
    const group = groupFromSnapshot(plain as PackedGroup)
    this.#byId.set(group.groupId, group)
  }

  toSnapshot(): unknown {
    return [...this.#byId.values()].map(groupToSnapshot)
  }

  static fromSnapshot(snapshot: unknown): Groups {
    const groups = new Groups()
    for (const packed of snapshot as unknown[]) groups.restore(packed)
    return groups
  }
}

export interface SyncGroupCommand {
  groupId: string
  memberId: string
  groupInstanceId: string | null
  generationId: number
  /** Absent before SyncGroup v5. */
  protocolType: string | null
  protocolName: string | null
  /** The leader's word on who gets what; empty from the others. */
  assignments: [memberId: string, assignment: Buffer][]
  /** Names the parked request: unique over all instances and times. */
  request: string
}

export interface SyncAnswer {
  errorCode: ErrorCode
  protocolType: string | null
  protocolName: string | null
  assignment: Buffer
}

/** Either the answer, or `parked`: it comes with the leader's assignment. */
export type SyncOutcome = SyncAnswer | 'parked'

export interface LeaveGroupCommand {
  groupId: string
  /** Static members may be named by their instance alone, with an empty member id. */
  members: { memberId: string; groupInstanceId: string | null }[]
}

/** The members that one instance has heard from, with how long ago that was when it said so. */
export interface TouchMembersCommand {
  members: [groupId: string, memberId: string, ageMs: number][]
}

/** Has an effect only if the countdown that was seen to run out has not been set anew since. */
export interface ExpireMemberCommand {
  groupId: string
  memberId: string
  armedAt: number
}

/** The same for the end of a group's join phase, or of the time it has for syncing. */
export interface ExpirePhaseCommand {
  groupId: string
  armedAt: number
}

export interface ExpireOutcome {
  isEffective: boolean
}

export interface GroupCommands {
  joinGroup: { command: JoinGroupCommand; outcome: JoinOutcome }
  syncGroup: { command: SyncGroupCommand; outcome: SyncOutcome }
  leaveGroup: { command: LeaveGroupCommand; outcome: { memberErrorCodes: ErrorCode[] } }
  touchMembers: { command: TouchMembersCommand; outcome: { touched: number } }
  expireMember: { command: ExpireMemberCommand; outcome: ExpireOutcome }
  expireJoin: { command: ExpirePhaseCommand; outcome: ExpireOutcome }
  expireSync: { command: ExpirePhaseCommand; outcome: ExpireOutcome }
  deleteGroups: { command: { groupIds: string[] }; outcome: { errorCodes: ErrorCode[] } }
}

export function syncRefused(errorCode: ErrorCode): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: emptyAssignment }
}

/** What a member of a stable group is told. */
export function syncAnswer(group: Group, member: Member): SyncAnswer {
  return {
    errorCode: ErrorCode.NONE,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  }
}

export const groupApply: ApplyTable<GroupCommands> = {
  joinGroup(state, command, place, events) {
    if (command.memberId !== '' && state.groups.byId(command.groupId) === undefined)
      return joinRefused(ErrorCode.UNKNOWN_MEMBER_ID, command.memberId)
    return joinGroup(state.groups.ensure(command.groupId, place), command, { place, events })
  },

  syncGroup(state, command, place, events) {
    const group = state.groups.forChange(command.groupId)
    if (group === undefined || group.phase === 'empty') return syncRefused(ErrorCode.UNKNOWN_MEMBER_ID)
    const refusal = group.validateMember(command.memberId, command.groupInstanceId)
    const member = group.members.get(command.memberId)
    if (refusal !== ErrorCode.NONE || member === undefined) return syncRefused(refusal)
    if (command.generationId !== group.generationId) return syncRefused(ErrorCode.ILLEGAL_GENERATION)
    if (
      (command.protocolType !== null && command.protocolType !== group.protocolType) ||
      (command.protocolName !== null && command.protocolName !== group.protocolName)
    )
      return syncRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if (group.phase === 'preparingRebalance') return syncRefused(ErrorCode.REBALANCE_IN_PROGRESS)

    group.pendingSync.delete(member.memberId)
    if (group.pendingSync.size === 0) group.syncCountdown = null
    member.session = arm(place, member.sessionTimeoutMs)
    if (group.phase === 'stable') {
      events.groupChanged(group.groupId)
      return syncAnswer(group, member)
    }
    member.syncRequest = command.request
    member.isAwaitingSync = true
    if (group.leader === member.memberId) assignAndStabilize(group, new Map(command.assignments), { place, events })
    else events.groupChanged(group.groupId)
    return 'parked'
  },

  leaveGroup(state, command, place, events) {
    const group = state.groups.forChange(command.groupId)
    if (group === undefined) return { memberErrorCodes: command.members.map(() => ErrorCode.UNKNOWN_MEMBER_ID) }
    const step = { place, events }
    const memberErrorCodes = command.members.map(({ memberId, groupInstanceId }): ErrorCode => {
      if (group.pendingMembers.delete(memberId)) return ErrorCode.NONE
      const isByInstance = memberId === '' && groupInstanceId !== null
      const member = isByInstance ? group.staticMember(groupInstanceId) : group.members.get(memberId)
      const errorCode = isByInstance ? ErrorCode.NONE : group.validateMember(memberId, groupInstanceId)
      if (errorCode !== ErrorCode.NONE) return errorCode
      if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
      dropMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID, step)
      return ErrorCode.NONE
    })
    if (memberErrorCodes.includes(ErrorCode.NONE)) rebalanceAfterRemoval(group, step)
    return { memberErrorCodes }
  },

  touchMembers(state, command, place, events) {
    const changed = new Set<string>()
    let touched = 0
    for (const [groupId, memberId, ageMs] of command.members) {
      const member = state.groups.forChange(groupId)?.members.get(memberId)
      if (member === undefined) continue
      member.session = arm(place, member.sessionTimeoutMs - ageMs)
      changed.add(groupId)
      touched++
    }
    for (const groupId of changed) events.groupChanged(groupId)
    return { touched }
  },

  expireMember(state, command, place, events) {
    const group = state.groups.forChange(command.groupId)
    if (group === undefined) return { isEffective: false }
    const step = { place, events }
    if (group.pendingMembers.get(command.memberId)?.armedAt === command.armedAt) {
      group.pendingMembers.delete(command.memberId)
      maybeCompleteJoin(group, step)
      return { isEffective: true }
    }
    const member = group.members.get(command.memberId)
    if (member?.session.armedAt !== command.armedAt) return { isEffective: false }
    dropMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID, step)
    rebalanceAfterRemoval(group, step)
    return { isEffective: true }
  },

  expireJoin(state, command, place, events) {
    const group = state.groups.forChange(command.groupId)
    if (group?.phase !== 'preparingRebalance' || group.joinCountdown?.armedAt !== command.armedAt)
      return { isEffective: false }
    joinTimedOut(group, { place, events })
    return { isEffective: true }
  },

  expireSync(state, command, place, events) {
    const group = state.groups.forChange(command.groupId)
    if (group?.syncCountdown?.armedAt !== command.armedAt) return { isEffective: false }
    syncTimedOut(group, { place, events })
    return { isEffective: true }
  },

  deleteGroups(state, command, _place, events) {
    const errorCodes = command.groupIds.map((groupId): ErrorCode => {
      const group = state.groups.byId(groupId)
      if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND
      if (group.phase !== 'empty') return ErrorCode.NON_EMPTY_GROUP
      state.groups.remove(groupId)
      state.offsets.removeGroup(groupId)
      events.groupChanged(groupId)
      return ErrorCode.NONE
    })
    return { errorCodes }
  },
}
