import { UnavailableError } from '../../base/errors.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Group } from '../views/group.js'
import { type JoinAnswer, type JoinOutcome, joinAnswer, joinRefused } from '../views/group-join.js'
import { type SyncAnswer, type SyncOutcome, syncAnswer, syncRefused } from '../views/groups.js'

/** A request that waits for its group. `request` is its name in the state, by which its answer finds it. */
export interface ParkedRequest {
  groupId: string
  memberId: string
  request: string
}

interface Waiting extends ParkedRequest {
  /** Its command has been applied, so what the state says about its member holds for it too. */
  isApplied: boolean
  /** Answers it if the state as it is now has an answer. */
  review(group: Group | undefined): void
  refuse(errorCode: ErrorCode): void
}

/**
 * Who waits for a rebalance on this instance? JoinGroup and SyncGroup requests park here while their connection is
 * open; any instance's command may bring the outcome, and it is answered in the moment in which the view reaches it.
 * At most one request per connection and member waits, so their number is bounded by that of the connections.
 */
export class ParkedRequests {
  readonly #proposer: Proposer
  readonly #byGroup = new Map<string, Map<string, Waiting>>()
  /** Groups that have changed in the entry that is being applied. */
  readonly #changed = new Set<string>()
  readonly #stopListening: () => void
  #isClosed: boolean = false

  constructor(proposer: Proposer) {
    this.#proposer = proposer
    this.#stopListening = proposer.listen({
      joinCompleted: (groupId) => this.#review(groupId),
      syncCompleted: (groupId) => this.#review(groupId),
      groupChanged: (groupId) => this.#reviewOnce(groupId),
      memberRemoved: (groupId, memberId, errorCode) => {
        for (const waiting of this.#waitingOf(groupId))
          if (waiting.memberId === memberId) waiting.refuse(errorCode as ErrorCode)
      },
    })
  }

  /** Parks a JoinGroup, then proposes it; the answer may come before the proposal's own outcome does. */
  join(parked: ParkedRequest, propose: () => Promise<JoinOutcome>, signal: AbortSignal): Promise<JoinAnswer> {
    return this.#park<JoinAnswer>(
      parked,
      propose,
      signal,
      (errorCode) => joinRefused(errorCode, parked.memberId),
      (group, isApplied) => {
        const member = group.members.get(parked.memberId)
        if (member?.joinRequest !== parked.request)
          // A newer join of the same member has taken its place; this connection was given up by its client.
          return isApplied ? joinRefused(ErrorCode.REBALANCE_IN_PROGRESS, parked.memberId) : undefined
        return member.isAwaitingJoin || group.phase === 'preparingRebalance' ? undefined : joinAnswer(group, member)
      },
    )
  }

  /** The same for a SyncGroup. */
  sync(
    parked: ParkedRequest & { generationId: number },
    propose: () => Promise<SyncOutcome>,
    signal: AbortSignal,
  ): Promise<SyncAnswer> {
    return this.#park<SyncAnswer>(parked, propose, signal, syncRefused, (group, isApplied) => {
      const member = group.members.get(parked.memberId)
      if (member?.syncRequest !== parked.request)
        return isApplied ? syncRefused(ErrorCode.REBALANCE_IN_PROGRESS) : undefined
      if (group.phase === 'preparingRebalance' || group.generationId !== parked.generationId)
        return syncRefused(ErrorCode.REBALANCE_IN_PROGRESS)
      return group.phase === 'stable' ? syncAnswer(group, member) : undefined
    })
  }

  /** Whether this member waits here, which is as good as a heartbeat. */
  holds(groupId: string, memberId: string): boolean {
    for (const waiting of this.#waitingOf(groupId)) if (waiting.memberId === memberId) return true
    return false
  }

  holdsAnyOf(groupId: string): boolean {
    return this.#byGroup.has(groupId)
  }

  /** All members that wait here. */
  *members(): Iterable<ParkedRequest> {
    for (const waiting of this.#byGroup.values()) yield* waiting.values()
  }

  /** Sends everybody away to another instance. */
  close(): void {
    this.#isClosed = true
    this.#stopListening()
    for (const groupId of [...this.#byGroup.keys()])
      for (const waiting of this.#waitingOf(groupId)) waiting.refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
  }

  #park<Answer>(
    parked: ParkedRequest,
    propose: () => Promise<Answer | 'parked'>,
    signal: AbortSignal,
    refusal: (errorCode: ErrorCode) => Answer,
    answerNow: (group: Group, isApplied: boolean) => Answer | undefined,
  ): Promise<Answer> {
    if (this.#isClosed) return Promise.resolve(refusal(ErrorCode.COORDINATOR_NOT_AVAILABLE))
    return new Promise<Answer>((resolve, reject) => {
      const settle = (answer: Answer): void => {
        this.#remove(waiting)
        signal.removeEventListener('abort', giveUp)
        resolve(answer)
      }
      const waiting: Waiting = {
        ...parked,
        isApplied: false,
        review: (group) => {
          const answer = group === undefined ? undefined : answerNow(group, waiting.isApplied)
          if (answer !== undefined) settle(answer)
          else if (waiting.isApplied && group === undefined) settle(refusal(ErrorCode.UNKNOWN_MEMBER_ID))
        },
        refuse: (errorCode) => settle(refusal(errorCode)),
      }
      // Nobody will read this answer. The member is left to its session time-out, it may come back elsewhere.
      const giveUp = (): void => waiting.refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
      if (signal.aborted) return giveUp()
      signal.addEventListener('abort', giveUp)
      this.#add(waiting)
      propose().then(
        (outcome) => {
          if (outcome !== 'parked') return settle(outcome)
          waiting.isApplied = true
          if (this.#isWaiting(waiting)) waiting.review(this.#proposer.state.groups.byId(parked.groupId))
        },
        (error: unknown) => {
          if (error instanceof UnavailableError) return waiting.refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
          this.#remove(waiting)
          signal.removeEventListener('abort', giveUp)
          reject(error)
        },
      )
    })
  }

  /** After all that is applied together: a hundred joins in one entry are no reason to look at all who wait a hundred times. */
  #reviewOnce(groupId: string): void {
    if (!this.#byGroup.has(groupId)) return
    if (this.#changed.size === 0)
      queueMicrotask(() => {
        const changed = [...this.#changed]
        this.#changed.clear()
        for (const each of changed) this.#review(each)
      })
    this.#changed.add(groupId)
  }

  #review(groupId: string): void {
    if (!this.#byGroup.has(groupId)) return
    const group = this.#proposer.state.groups.byId(groupId)
    for (const waiting of this.#waitingOf(groupId)) waiting.review(group)
  }

  /** A copy: who is answered is removed meanwhile. */
  #waitingOf(groupId: string): Waiting[] {
    return [...(this.#byGroup.get(groupId)?.values() ?? [])]
  }

  #isWaiting(waiting: Waiting): boolean {
    return this.#byGroup.get(waiting.groupId)?.get(waiting.request) === waiting
  }

  #add(waiting: Waiting): void {
    const ofGroup = this.#byGroup.get(waiting.groupId) ?? new Map<string, Waiting>()
    ofGroup.set(waiting.request, waiting)
    this.#byGroup.set(waiting.groupId, ofGroup)
  }

  #remove(waiting: Waiting): void {
    const ofGroup = this.#byGroup.get(waiting.groupId)
    if (ofGroup?.delete(waiting.request) && ofGroup.size === 0) this.#byGroup.delete(waiting.groupId)
  }
}
