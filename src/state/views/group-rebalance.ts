import { ErrorCode } from '../../protocol/error-codes.js'
import { arm, emptyAssignment, type Group, type Member } from './group.js'
import type { Place, StateEvents } from './view.js'

/**
 * How a group goes from one phase to the next, as Kafka's `GroupMetadataManager` does it:
 *
 *     empty ──► preparingRebalance ──► completingRebalance ──► stable
 *       ▲              │  ▲                    │                 │
 *       └──────────────┘  └────────────────────┴─────────────────┘
 */

/** A group's first generation, where it has no delay of its own, waits so long for members that are about to join, milliseconds. */
const pendingWaitMs = 500

/** What the transitions need besides the group. */
export interface Step {
  place: Place
  events: StateEvents
}

/** Begins a rebalance if none is under way in its join phase; else ends that phase if nobody is missing any more. */
export function prepareRebalanceOrCompleteJoin(group: Group, initialDelayMs: number, step: Step): void {
  if (group.phase === 'preparingRebalance') maybeCompleteJoin(group, step)
  else prepareRebalance(group, initialDelayMs, step)
}

/** Members are to join again; those that wait for an assignment are told so. */
export function prepareRebalance(group: Group, initialDelayMs: number, step: Step): void {
  if (group.phase === 'completingRebalance')
    for (const member of group.members.values()) {
      member.assignment = emptyAssignment
      member.isAwaitingSync = false
    }
  group.pendingSync.clear()
  group.syncCountdown = null
  const isInitial = group.phase === 'empty'
  group.phase = 'preparingRebalance'
  if (isInitial && initialDelayMs > 0) {
    group.joinCountdown = arm(step.place, initialDelayMs)
    group.initialRebalance = {
      initialDelayMs,
      delayMs: initialDelayMs,
      remainingMs: Math.max(group.rebalanceTimeoutMs() - initialDelayMs, 0),
      isMemberAdded: false,
    }
    step.events.groupChanged(group.groupId)
    return
  }
  group.initialRebalance = null
  const timeoutMs = group.rebalanceTimeoutMs()
  // Members that have just been told their ids are about to join: without them the first generation would be at once the
  // last but one, and its members would learn that by their next heartbeats. One of them may be gone, though.
  group.joinCountdown = arm(step.place, isInitial ? Math.min(timeoutMs, pendingWaitMs) : timeoutMs)
  step.events.groupChanged(group.groupId)
  if (group.hasAllMembersJoined()) completeJoin(group, step)
}

/** Ends the join phase if all have joined; the initial rebalance only ends with its delay. */
export function maybeCompleteJoin(group: Group, step: Step): void {
  if (group.phase === 'preparingRebalance' && group.initialRebalance === null && group.hasAllMembersJoined())
    completeJoin(group, step)
  else step.events.groupChanged(group.groupId)
}

/** The join phase has lasted as long as it may. */
export function joinTimedOut(group: Group, step: Step): void {
  const initial = group.initialRebalance
  if (initial?.isMemberAdded && initial.remainingMs > 0) {
    const delayMs = Math.min(initial.initialDelayMs, initial.remainingMs)
    group.initialRebalance = {
      initialDelayMs: initial.initialDelayMs,
      delayMs,
      remainingMs: Math.max(initial.remainingMs - initial.delayMs, 0),
      isMemberAdded: false,
    }
    group.joinCountdown = arm(step.place, delayMs)
    step.events.groupChanged(group.groupId)
  } else completeJoin(group, step)
}

/**
 * The next generation consists of those that have joined, and of static members, which may be away for the length
 * of their session.
 */
export function completeJoin(group: Group, step: Step): void {
  for (const member of [...group.members.values()])
    if (!member.isAwaitingJoin && member.groupInstanceId === null)
      dropMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID, step)
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left and none has joined: their sessions decide.
    group.joinCountdown = arm(step.place, group.rebalanceTimeoutMs())
    group.initialRebalance = null
    step.events.groupChanged(group.groupId)
    return
  }
  group.generationId++
  group.joinCountdown = null
  group.initialRebalance = null
  group.pendingSync.clear()
  if (group.members.size === 0) {
    group.phase = 'empty'
    group.protocolName = null
    group.emptySince = { position: step.place.position, timeMs: step.place.timeMs }
    step.events.groupChanged(group.groupId)
    return
  }
  group.phase = 'completingRebalance'
  group.protocolName = group.selectProtocol()
  for (const member of group.members.values()) {
    member.isAwaitingJoin = false
    member.isAwaitingSync = false
    member.session = arm(step.place, member.sessionTimeoutMs)
    group.pendingSync.add(member.memberId)
  }
  group.syncCountdown = arm(step.place, group.rebalanceTimeoutMs())
  step.events.joinCompleted(group.groupId)
}

/** The leader has said who gets what; who is not mentioned gets nothing. */
export function assignAndStabilize(group: Group, assignments: ReadonlyMap<string, Buffer>, step: Step): void {
  for (const member of group.members.values()) {
    // A copy: what is decoded is a view of a whole request or ledger entry, and this stays.
    member.assignment = Buffer.from(assignments.get(member.memberId) ?? emptyAssignment)
    if (member.isAwaitingSync) member.session = arm(step.place, member.sessionTimeoutMs)
    member.isAwaitingSync = false
  }
  group.phase = 'stable'
  step.events.syncCompleted(group.groupId)
}

/** Members that have not synced in time are out, and the others join anew. */
export function syncTimedOut(group: Group, step: Step): void {
  for (const memberId of [...group.pendingSync]) {
    const member = group.members.get(memberId)
    if (member !== undefined) dropMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID, step)
  }
  prepareRebalance(group, 0, step)
}

/** Takes a member out without looking at the phase. */
export function dropMember(group: Group, member: Member, errorCode: ErrorCode, step: Step): void {
  group.remove(member.memberId)
  step.events.memberRemoved(group.groupId, member.memberId, errorCode)
}

/** Goes on after members have gone: those that remain share anew, or the join phase no longer waits for them. */
export function rebalanceAfterRemoval(group: Group, step: Step): void {
  if (group.phase === 'stable' || group.phase === 'completingRebalance') prepareRebalance(group, 0, step)
  else maybeCompleteJoin(group, step)
}
