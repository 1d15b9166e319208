import { ErrorCode } from '../../protocol/error-codes.js'
import {
  arm,
  emptyAssignment,
  type Group,
  type GroupProtocol,
  type Member,
  metadataOf,
  sameProtocols,
} from './group.js'
import { maybeCompleteJoin, prepareRebalance, prepareRebalanceOrCompleteJoin, type Step } from './group-rebalance.js'

/** JoinGroup as a command. */
export interface JoinGroupCommand {
  groupId: string
  /** Empty for a member that has none yet. */
  memberId: string
  /** The id it is to have if it needs one. */
  newMemberId: string
  groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocolType: string
  protocols: GroupProtocol[]
  /** Names the parked request: unique over all instances and times. */
  request: string
  /** A new dynamic member is told its id and has to come again with it (KIP-394, JoinGroup v4). */
  requiresKnownMemberId: boolean
  /** A leader can be told that there is nothing to assign (KIP-814, JoinGroup v9). */
  supportsSkippingAssignment: boolean
  /** `group.max.size` and `group.initial.rebalance.delay.ms` of the instance that was asked. */
  groupSizeMax: number
  initialRebalanceDelayMs: number
}

/** What a member is told about the generation it is in. */
export interface JoinAnswer {
  errorCode: ErrorCode
  memberId: string
  generationId: number
  protocolType: string | null
  protocolName: string | null
  leader: string
  skipAssignment: boolean
  /** All members, for the leader; empty for the others. */
  members: { memberId: string; groupInstanceId: string | null; metadata: Buffer }[]
}

/** Either the answer, or `parked`: it comes when the join phase ends. */
export type JoinOutcome = JoinAnswer | 'parked'

export function joinRefused(errorCode: ErrorCode, memberId: string): JoinAnswer {
  return {
    errorCode,
    memberId,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    members: [],
  }
}

/** What a member of the current generation is told. */
export function joinAnswer(group: Group, member: Member): JoinAnswer {
  const isLeader = group.leader === member.memberId
  return {
    errorCode: ErrorCode.NONE,
    memberId: member.memberId,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leader ?? '',
    skipAssignment: false,
    members: isLeader
      ? [...group.members.values()].map((each) => ({
          memberId: each.memberId,
          groupInstanceId: each.groupInstanceId,
          metadata: metadataOf(each, group.protocolName),
        }))
      : [],
  }
}

export function joinGroup(group: Group, command: JoinGroupCommand, step: Step): JoinOutcome {
  const { memberId } = command
  if (!acceptsJoining(group, memberId, command.groupSizeMax)) {
    if (group.members.has(memberId)) {
      group.remove(memberId)
      step.events.memberRemoved(group.groupId, memberId, ErrorCode.UNKNOWN_MEMBER_ID)
      maybeCompleteJoin(group, step)
    } else group.pendingMembers.delete(memberId)
    return joinRefused(ErrorCode.GROUP_MAX_SIZE_REACHED, '')
  }
  if (!group.supportsProtocols(command.protocolType, command.protocols))
    return joinRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, memberId)
  if (memberId === '') return joinNewMember(group, command, step)
  if (group.pendingMembers.has(memberId) && command.groupInstanceId === null)
    return addMember(group, command, memberId, step)
  const refusal = group.validateMember(memberId, command.groupInstanceId)
  const member = group.members.get(memberId)
  if (refusal !== ErrorCode.NONE || member === undefined) return joinRefused(refusal, memberId)
  return rejoin(group, member, command, step)
}

/** While members are joining, those that have joined count: so the last ones to come back to a group too large stay out. */
function acceptsJoining(group: Group, memberId: string, groupSizeMax: number): boolean {
  switch (group.phase) {
    case 'empty':
      return true
    case 'preparingRebalance':
      return group.members.get(memberId)?.isAwaitingJoin === true || group.awaitingJoinCount() < groupSizeMax
    case 'completingRebalance':
    case 'stable':
      return group.members.has(memberId) || group.members.size < groupSizeMax
  }
}

function joinNewMember(group: Group, command: JoinGroupCommand, step: Step): JoinOutcome {
  if (command.groupInstanceId !== null) {
    const known = group.staticMember(command.groupInstanceId)
    return known === undefined
      ? addMember(group, command, command.newMemberId, step)
      : replaceStaticMember(group, known, command, step)
  }
  if (!command.requiresKnownMemberId) return addMember(group, command, command.newMemberId, step)
  group.pendingMembers.set(command.newMemberId, arm(step.place, command.sessionTimeoutMs))
  step.events.groupChanged(group.groupId)
  return joinRefused(ErrorCode.MEMBER_ID_REQUIRED, command.newMemberId)
}

function addMember(group: Group, command: JoinGroupCommand, memberId: string, step: Step): JoinOutcome {
  if (group.initialRebalance !== null) group.initialRebalance.isMemberAdded = true
  group.add(
    {
      memberId,
      groupInstanceId: command.groupInstanceId,
      clientId: command.clientId,
      clientHost: command.clientHost,
      rebalanceTimeoutMs: command.rebalanceTimeoutMs,
      sessionTimeoutMs: command.sessionTimeoutMs,
      protocols: copyOf(command.protocols),
      assignment: emptyAssignment,
      session: arm(step.place, command.sessionTimeoutMs),
      joinRequest: command.request,
      isAwaitingJoin: true,
      syncRequest: '',
      isAwaitingSync: false,
    },
    command.protocolType,
  )
  prepareRebalanceOrCompleteJoin(group, command.initialRebalanceDelayMs, step)
  return 'parked'
}

/** What is decoded is a view of a whole request or ledger entry, and this stays. */
function copyOf(protocols: readonly GroupProtocol[]): GroupProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
}

function rejoin(group: Group, member: Member, command: JoinGroupCommand, step: Step): JoinOutcome {
  const isUnchanged = sameProtocols(member.protocols, command.protocols)
  const isLeader = group.leader === member.memberId
  // It may have lost our answer, or follows a leader that has not changed its mind: the generation stands. A leader
  // that joins a stable group wants to assign anew, be it for a reason that its metadata does not show.
  if (isUnchanged && (group.phase === 'completingRebalance' || (group.phase === 'stable' && !isLeader))) {
    member.session = arm(step.place, member.sessionTimeoutMs)
    step.events.groupChanged(group.groupId)
    return joinAnswer(group, member)
  }
  updateMember(member, command, step)
  prepareRebalanceOrCompleteJoin(group, command.initialRebalanceDelayMs, step)
  return 'parked'
}

function updateMember(member: Member, command: JoinGroupCommand, step: Step): void {
  member.protocols = copyOf(command.protocols)
  member.rebalanceTimeoutMs = command.rebalanceTimeoutMs
  member.sessionTimeoutMs = command.sessionTimeoutMs
  member.session = arm(step.place, command.sessionTimeoutMs)
  member.joinRequest = command.request
  member.isAwaitingJoin = true
}

/**
 * A static member has come back without its member id: it gets a new one, the old one is fenced, and if that
 * changes nothing for the others the group stays stable (KIP-345).
 */
function replaceStaticMember(group: Group, known: Member, command: JoinGroupCommand, step: Step): JoinOutcome {
  const leaderBefore = group.leader ?? ''
  const member = group.replaceStaticMember(known, command.newMemberId)
  step.events.memberRemoved(group.groupId, known.memberId, ErrorCode.FENCED_INSTANCE_ID)
  updateMember(member, command, step)
  switch (group.phase) {
    case 'stable': {
      if (group.selectProtocol() !== group.protocolName) {
        prepareRebalance(group, command.initialRebalanceDelayMs, step)
        return 'parked'
      }
      // It is answered by the outcome of this very command.
      member.isAwaitingJoin = false
      member.joinRequest = ''
      step.events.groupChanged(group.groupId)
      const answer = joinAnswer(group, member)
      return command.supportsSkippingAssignment
        ? { ...answer, skipAssignment: group.leader === member.memberId }
        : // An older client would assign anew if it heard that it leads, so it hears of the leader that it was before.
          { ...answer, leader: leaderBefore, members: [] }
    }
    case 'completingRebalance':
      // The leader may have been told the old id, and would assign to that.
      prepareRebalance(group, command.initialRebalanceDelayMs, step)
      return 'parked'
    default:
      maybeCompleteJoin(group, step)
      return 'parked'
  }
}
