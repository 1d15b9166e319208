import type { Captured } from './capture.js'
import { type Countdown, Group, type GroupPhase, type InitialRebalance, type Member } from './group.js'

/** A group as plain data, always with the same order of fields, so that equal groups have equal bytes. */

type PackedMember = [
  memberId: string,
  groupInstanceId: string | null,
  clientId: string,
  clientHost: string,
  rebalanceTimeoutMs: number,
  sessionTimeoutMs: number,
  protocols: [name: string, metadata: Buffer][],
  assignment: Buffer,
  session: Countdown,
  joinRequest: string,
  isAwaitingJoin: boolean,
  syncRequest: string,
  isAwaitingSync: boolean,
]

export interface PackedGroup {
  groupId: string
  phase: GroupPhase
  generationId: number
  protocolType: string | null
  protocolName: string | null
  leader: string | null
  members: PackedMember[]
  pendingMembers: [memberId: string, countdown: Countdown][]
  joinCountdown: Countdown | null
  initialRebalance: InitialRebalance | null
  pendingSync: string[]
  syncCountdown: Countdown | null
  emptySince: { position: number; timeMs: number }
}

/** What a group, and a member of it besides what it says for itself, takes in a snapshot, bytes. */
const groupBytes = 250
const memberBytes = 150

export function captureGroup(group: Group): Captured {
  let bytes = groupBytes
  for (const { protocols, assignment } of group.members.values()) {
    bytes += memberBytes + assignment.length
    for (const { metadata } of protocols) bytes += metadata.length
  }
  return { plain: groupToSnapshot(group), bytes }
}

export function groupToSnapshot(group: Group): PackedGroup {
  return {
    groupId: group.groupId,
    phase: group.phase,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leader,
    members: [...group.members.values()].map((member) => [
      member.memberId,
      member.groupInstanceId,
      member.clientId,
      member.clientHost,
      member.rebalanceTimeoutMs,
      member.sessionTimeoutMs,
      member.protocols.map(({ name, metadata }) => [name, metadata]),
      member.assignment,
      countdownToSnapshot(member.session),
      member.joinRequest,
      member.isAwaitingJoin,
      member.syncRequest,
      member.isAwaitingSync,
    ]),
    pendingMembers: [...group.pendingMembers].map(([memberId, countdown]) => [
      memberId,
      countdownToSnapshot(countdown),
    ]),
    joinCountdown: group.joinCountdown && countdownToSnapshot(group.joinCountdown),
    initialRebalance: group.initialRebalance && {
      initialDelayMs: group.initialRebalance.initialDelayMs,
      delayMs: group.initialRebalance.delayMs,
      remainingMs: group.initialRebalance.remainingMs,
      isMemberAdded: group.initialRebalance.isMemberAdded,
    },
    pendingSync: [...group.pendingSync],
    syncCountdown: group.syncCountdown && countdownToSnapshot(group.syncCountdown),
    emptySince: { position: group.emptySince.position, timeMs: group.emptySince.timeMs },
  }
}

function countdownToSnapshot(countdown: Countdown): Countdown {
  return { armedAt: countdown.armedAt, delayMs: countdown.delayMs }
}

export function groupFromSnapshot(packed: PackedGroup): Group {
  const group = new Group(packed.groupId, packed.emptySince)
  group.phase = packed.phase
  group.generationId = packed.generationId
  group.protocolType = packed.protocolType
  group.protocolName = packed.protocolName
  group.leader = packed.leader
  for (const member of packed.members) group.members.set(member[0], memberFromSnapshot(member))
  for (const [memberId, countdown] of packed.pendingMembers) group.pendingMembers.set(memberId, { ...countdown })
  group.joinCountdown = packed.joinCountdown && { ...packed.joinCountdown }
  group.initialRebalance = packed.initialRebalance && { ...packed.initialRebalance }
  for (const memberId of packed.pendingSync) group.pendingSync.add(memberId)
  group.syncCountdown = packed.syncCountdown && { ...packed.syncCountdown }
  return group
}

function memberFromSnapshot(packed: PackedMember): Member {
  return {
    memberId: packed[0],
    groupInstanceId: packed[1],
    clientId: packed[2],
    clientHost: packed[3],
    rebalanceTimeoutMs: packed[4],
    sessionTimeoutMs: packed[5],
    protocols: packed[6].map(([name, metadata]) => ({ name, metadata })),
    assignment: packed[7],
    session: { ...packed[8] },
    joinRequest: packed[9],
    isAwaitingJoin: packed[10],
    syncRequest: packed[11],
    isAwaitingSync: packed[12],
  }
}
