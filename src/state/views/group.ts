import { assert } from '../../base/assert.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { Place } from './view.js'

/**
 * One classic consumer group: who is in it and how far its rebalance has come. Kafka's `ClassicGroup`, without its
 * timers: deadlines are measured by the instances, here stands only what they measure from (`Countdown`).
 */

/** Kafka's group states; a dead group is one that is not there. */
export type GroupPhase = 'empty' | 'preparingRebalance' | 'completingRebalance' | 'stable'

/**
 * A time-out: `delayMs` from the command at `armedAt` on. Every instance measures it on its own monotonic clock from
 * when it saw that command, and the command that ends it names `armedAt`: it has no effect if the countdown was set
 * anew before. So no two clocks are ever compared.
 */
export interface Countdown {
  armedAt: number
  delayMs: number
}

/** A way of assigning that a member offers, with what it wants the leader to know. */
export interface GroupProtocol {
  name: string
  metadata: Buffer
}

export interface Member {
  memberId: string
  /** Set for a static member (KIP-345). */
  groupInstanceId: string | null
  clientId: string
  clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  protocols: readonly GroupProtocol[]
  assignment: Buffer
  session: Countdown
  /** The request by which it joined last; the instance that has it parked answers it when the join phase ends. */
  joinRequest: string
  isAwaitingJoin: boolean
  /** The request by which it synced last; empty before the first. */
  syncRequest: string
  isAwaitingSync: boolean
}

/** The first rebalance of an empty group waits for more members to come (KIP-134). */
export interface InitialRebalance {
  /** `group.initial.rebalance.delay.ms` of the instance that began it. */
  initialDelayMs: number
  /** What the running countdown was set to. */
  delayMs: number
  /** How much it may still be prolonged. */
  remainingMs: number
  /** Whether somebody has come since the countdown was set. */
  isMemberAdded: boolean
}

export const emptyAssignment: Buffer = Buffer.alloc(0)

export function arm(place: Place, delayMs: number): Countdown {
  return { armedAt: place.position, delayMs: Math.max(delayMs, 0) }
}

export class Group {
  readonly groupId: string
  phase: GroupPhase = 'empty'
  generationId = 0
  /** Absent in a simple group: one that nobody ever joined, which only keeps offsets. */
  protocolType: string | null = null
  protocolName: string | null = null
  leader: string | null = null
  /** In the order in which they joined. */
  readonly members = new Map<string, Member>()
  /** Member ids given out that have not joined yet (KIP-394). */
  readonly pendingMembers = new Map<string, Countdown>()
  /** Runs while preparing a rebalance. */
  joinCountdown: Countdown | null = null
  initialRebalance: InitialRebalance | null = null
  /** Members of this generation that have not asked for their assignment yet; they have until `syncCountdown`. */
  readonly pendingSync = new Set<string>()
  syncCountdown: Countdown | null = null
  /** When it became empty; only meaningful while it is. */
  emptySince: { position: number; timeMs: number }
  /** The last capture that has this group, or began before there was it; 0 for none. Not part of the state. */
  captured: number

  constructor(groupId: string, place: Pick<Place, 'position' | 'timeMs'>, captured = 0) {
    this.groupId = groupId
    this.captured = captured
    this.emptySince = { position: place.position, timeMs: place.timeMs }
  }

  staticMember(groupInstanceId: string): Member | undefined {
    for (const member of this.members.values()) if (member.groupInstanceId === groupInstanceId) return member
    return undefined
  }

  /** Why a request of this member is to be refused, or NONE. */
  validateMember(memberId: string, groupInstanceId: string | null): ErrorCode {
    if (groupInstanceId !== null) {
      const current = this.staticMember(groupInstanceId)
      if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
      if (current.memberId !== memberId) return ErrorCode.FENCED_INSTANCE_ID
    }
    return this.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
  }

  /** Whether a member with these protocols can be in the group: one of them at least is offered by everybody. */
  supportsProtocols(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (this.phase === 'empty') return protocolType !== '' && protocols.length > 0
    return protocolType === this.protocolType && protocols.some((protocol) => this.#isOfferedByAll(protocol.name))
  }

  /** The protocol that all support and most prefer; among equals the one that was voted for first. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const choice = member.protocols.find((protocol) => this.#isOfferedByAll(protocol.name))
      assert(choice !== undefined, 'members of a group have a protocol in common')
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
    }
    let selected: string | undefined
    let votesMax = 0
    for (const [name, count] of votes)
      if (count > votesMax) {
        selected = name
        votesMax = count
      }
    assert(selected !== undefined, 'an empty group selects no protocol')
    return selected
  }

  #isOfferedByAll(name: string): boolean {
    for (const member of this.members.values())
      if (!member.protocols.some((protocol) => protocol.name === name)) return false
    return true
  }

  /** The longest of its members' rebalance time-outs. */
  rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  awaitingJoinCount(): number {
    let count = 0
    for (const member of this.members.values()) if (member.isAwaitingJoin) count++
    return count
  }

  hasAllMembersJoined(): boolean {
    return this.pendingMembers.size === 0 && this.awaitingJoinCount() === this.members.size
  }

  /** Adds a member that waits for the join phase to end. */
  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType
    this.leader ??= member.memberId
    this.members.set(member.memberId, member)
    this.pendingMembers.delete(member.memberId)
  }

  remove(memberId: string): void {
    this.members.delete(memberId)
    this.pendingMembers.delete(memberId)
    this.pendingSync.delete(memberId)
    if (this.leader === memberId) {
      const [next] = this.members.keys()
      this.leader = next ?? null
    }
  }

  /** The same static member under a new id: it keeps its assignment and, if it has it, the lead. */
  replaceStaticMember(old: Member, newMemberId: string): Member {
    const replacement: Member = {
      ...old,
      memberId: newMemberId,
      isAwaitingJoin: false,
      isAwaitingSync: false,
      syncRequest: '',
    }
    this.members.delete(old.memberId)
    this.members.set(newMemberId, replacement)
    if (this.pendingSync.delete(old.memberId)) this.pendingSync.add(newMemberId)
    if (this.leader === old.memberId) this.leader = newMemberId
    return replacement
  }

  /**
   * Sees to it that the leader is one that has joined.
   * @returns false if nobody has.
   */
  electJoinedLeader(): boolean {
    if (this.leader === null) return false
    if (this.members.get(this.leader)?.isAwaitingJoin) return true
    for (const member of this.members.values())
      if (member.isAwaitingJoin) {
        this.leader = member.memberId
        return true
      }
    return false
  }
}

/** A member's metadata under the protocol that was selected. */
export function metadataOf(member: Member, protocolName: string | null): Buffer {
  return member.protocols.find((protocol) => protocol.name === protocolName)?.metadata ?? emptyAssignment
}

/** Whether a member offers exactly the same as before, in the same order. */
export function sameProtocols(a: readonly GroupProtocol[], b: readonly GroupProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every((protocol, i) => {
      const other = b[i]
      return (
        other !== undefined && other.name === protocol.name && Buffer.compare(other.metadata, protocol.metadata) === 0
      )
    })
  )
}
