import type { Clock, Timer } from '../../base/clock.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Group } from '../views/group.js'
import type { JoinRequest } from './requests.js'

/** Who comes to an empty group goes on if nobody else comes within so long, milliseconds. */
const aloneMs = 6
/** The same once a second one has come: a third is likely. */
const severalMs = 15
/** While somebody is on the way, so long after anybody has done anything. He may have another aim, or be gone. */
const expectedMs = 100
/** But nobody waits for longer than so, milliseconds. */
const gatheringMsMax = 1_000

/**
 * Who else is about to join an empty group? Where it has no initial delay, whoever comes first has a generation for
 * itself, and when the others come, a moment later, it learns of that only by its next heartbeat, for which they all have
 * to wait. So those who come to an empty group wait here for each other, a few milliseconds: first with their joins, which
 * are then put into the ledger together; and once more with the leader's assignment, if others have come meanwhile, since
 * up to that a generation is given up at the cost of a request. Only when something is proposed depends on this, not what
 * it comes to; so it may be wrong, and instances need not agree on it.
 */
export class Gatherings {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #byGroup = new Map<string, Gathering>()
  readonly #stopListening: () => void

  constructor(proposer: Proposer, clock: Clock) {
    this.#proposer = proposer
    this.#clock = clock
    const changed = (groupId: string) => this.#byGroup.get(groupId)?.lookInTime()
    this.#stopListening = proposer.listen({ groupChanged: changed, joinCompleted: changed })
  }

  /** A client looks for the group's coordinator; to join, perhaps. */
  sought(groupId: string): void {
    this.#byGroup.get(groupId)?.sought()
  }

  /** Resolves when a join may be proposed; undefined if at once, as one that only asks for a member id. */
  join({ groupId, memberId, groupInstanceId, requiresKnownMemberId }: JoinRequest): Promise<void> | undefined {
    const gathering = this.#at(groupId)
    if (memberId !== '' || groupInstanceId !== null || !requiresKnownMemberId) return gathering?.join(memberId !== '')
    gathering?.asked()
    return undefined
  }

  /** Resolves when a leader's assignment may be proposed; undefined if at once. */
  assign(groupId: string): Promise<void> | undefined {
    return this.#byGroup.get(groupId)?.assign()
  }

  /** Lets everybody go on. */
  close(): void {
    this.#stopListening()
    for (const gathering of [...this.#byGroup.values()]) gathering.end()
  }

  #at(groupId: string): Gathering | undefined {
    const known = this.#byGroup.get(groupId)
    if (known !== undefined) return known
    const group = () => this.#proposer.state.groups.byId(groupId)
    if ((group()?.phase ?? 'empty') !== 'empty') return undefined
    const gathering = new Gathering({ clock: this.#clock, group, onEnd: () => this.#byGroup.delete(groupId) })
    this.#byGroup.set(groupId, gathering)
    return gathering
  }
}

/** Those who come to one group, from the first that finds it empty until a leader has assigned, or nobody comes any more. */
class Gathering {
  readonly #clock: Clock
  readonly #group: () => Group | undefined
  readonly #onEnd: () => void
  readonly #endsAt: number
  /** When somebody came who had not been here, and when anything was done. */
  #cameAt: number
  #movedAt: number
  #comers = 0
  /** Clients that looked for the coordinator, and did not come yet. */
  #seekers = 0
  /** Clients that asked for an id, and did not come with it yet. */
  #askers = 0
  readonly #joins: (() => void)[] = []
  readonly #assignments: (() => void)[] = []
  #timer: Timer | undefined
  #looksAt = Number.POSITIVE_INFINITY
  #isOver = false

  constructor({ clock, group, onEnd }: { clock: Clock; group: () => Group | undefined; onEnd: () => void }) {
    this.#clock = clock
    this.#group = group
    this.#onEnd = onEnd
    this.#cameAt = clock.monotonic()
    this.#movedAt = this.#cameAt
    this.#endsAt = this.#cameAt + gatheringMsMax
  }

  sought(): void {
    this.#seekers++
  }

  /** It will come again, with its id. */
  asked(): void {
    this.#came()
    this.#askers++
    this.#moved()
  }

  /** `hasId` if it has been told its member id. */
  join(hasId: boolean): Promise<void> {
    if (!hasId) this.#came()
    else if (this.#askers > 0) this.#askers--
    return this.#waitIn(this.#joins)
  }

  assign(): Promise<void> {
    return this.#waitIn(this.#assignments)
  }

  /** To be called when something has changed by which it may be over sooner. */
  lookInTime(): void {
    const dueAt = this.#dueAt()
    if (dueAt >= this.#looksAt) return
    this.#timer?.cancel()
    this.#looksAt = dueAt
    const waitMs = Math.ceil(dueAt - this.#clock.monotonic())
    // What arrived while the process had other work is heard before.
    const lookSoon = () => this.#clock.soon(() => this.#look())
    if (waitMs <= 0) lookSoon()
    else this.#timer = this.#clock.after(waitMs, lookSoon)
  }

  /** Lets everybody go on. */
  end(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#onEnd()
    this.#letGo()
  }

  #came(): void {
    this.#comers++
    if (this.#seekers > 0) this.#seekers--
    this.#cameAt = this.#clock.monotonic()
  }

  #waitIn(queue: (() => void)[]): Promise<void> {
    const waiting = new Promise<void>((resolve) => queue.push(resolve))
    this.#moved()
    return waiting
  }

  #moved(): void {
    this.#movedAt = this.#clock.monotonic()
    this.lookInTime()
  }

  /** Joins come first: one of them voids the assignment. */
  #letGo(): void {
    for (const goOn of this.#joins.splice(0)) goOn()
    for (const goOn of this.#assignments.splice(0)) goOn()
  }

  #dueAt(): number {
    return Math.min(this.#quietAt(), this.#endsAt)
  }

  /** When nobody else is to be expected, if nobody comes until then. */
  #quietAt(): number {
    const quietAt = this.#cameAt + (this.#comers > 1 ? severalMs : aloneMs)
    const isAnyOnTheWay = this.#seekers + this.#askers > 0
    if (this.#assignments.length === 0)
      return isAnyOnTheWay || this.#joins.length === 0 ? this.#movedAt + expectedMs : quietAt
    const group = this.#group()
    // Somebody has joined at another instance: nothing is left to be assigned.
    if (group?.phase !== 'completingRebalance') return this.#movedAt
    // Some may have been told their ids by other instances. Those who wait here with their ids are not in the ledger yet.
    return isAnyOnTheWay || group.pendingMembers.size > this.#joins.length ? this.#movedAt + expectedMs : quietAt
  }

  #look(): void {
    if (this.#isOver) return
    this.#looksAt = Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonic()
    if (this.#dueAt() > nowMs) this.lookInTime()
    else if (this.#joins.length > 0 && nowMs < this.#endsAt) {
      // Until those who join now have been assigned something, others may come; who did not in time is not expected again.
      this.#seekers = 0
      this.#askers = 0
      this.#letGo()
      this.#moved()
    } else this.end()
  }
}
