import type { Clock, Timer } from '../../base/clock.js'
import { messageOf, UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Countdown, Group } from '../views/group.js'
import type { ParkedRequests } from './parked.js'
import type { Sessions } from './sessions.js'

/** One countdown of the state, as this instance measures it. */
interface Watch {
  kind: 'member' | 'join' | 'sync'
  groupId: string
  /** Empty but for a member's session. */
  memberId: string
  armedAt: number
  delayMs: number
  /** On this instance's monotonic clock. */
  dueAtMs: number
  /** It is due and not ours in the first place: we have given others time to act. */
  isDeferred: boolean
  isProposing: boolean
}

/** While following was interrupted for longer than this and a third of a time-out, the time-out does not run. */
const gapMinMs = 2000
/** How often the clock and the tail are looked at, at least, while there are time-outs. */
const pulseMs = 1000
/** Changes are looked at so often at most; what is seen a little later only ends a little later. */
const refreshIntervalMs = 50
/** The tail is confirmed about so often while somebody's silence is measured. */
const tailAgeWantedMs = 1500

/**
 * Whose time is up? Each instance measures every time-out of every group on its own monotonic clock, from when it saw
 * it set, and proposes its end; the command has no effect if the time-out was set anew before it in the ledger. The
 * instance that serves a member acts at once, the others a little later, in case it is gone.
 *
 * What was not seen counts against nobody: after a pause of this process, or of its sight of the ledger (when nobody
 * could make himself heard, perhaps), time-outs begin anew.
 */
export class Deadlines {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #parked: ParkedRequests
  readonly #sessions: Sessions
  readonly #byGroup = new Map<string, Map<string, Watch>>()
  readonly #dirty = new Set<string>()
  readonly #stopListening: () => void
  #isRefreshing: boolean = false
  #refreshedAtMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #tickAtMs = Number.POSITIVE_INFINITY
  #lastTickMs: number
  #isConfirming: boolean = false
  #isClosed: boolean = false

  constructor(options: {
    proposer: Proposer
    clock: Clock
    random: Random
    log: Log
    parked: ParkedRequests
    sessions: Sessions
  }) {
    this.#proposer = options.proposer
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#parked = options.parked
    this.#sessions = options.sessions
    this.#lastTickMs = options.clock.monotonic()
    const changed = (groupId: string): void => this.#refreshSoon(groupId)
    this.#stopListening = options.proposer.listen({
      joinCompleted: changed,
      syncCompleted: changed,
      groupChanged: changed,
      memberRemoved: changed,
    })
    for (const group of options.proposer.state.groups.all()) this.#refreshSoon(group.groupId)
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening()
    this.#timer?.cancel()
  }

  /** Listeners only note: a group that changes many times in a short while, as by commits, is looked at once. */
  #refreshSoon(groupId: string): void {
    this.#dirty.add(groupId)
    if (this.#isRefreshing || this.#isClosed) return
    this.#isRefreshing = true
    const waitMs = this.#refreshedAtMs + refreshIntervalMs - this.#clock.monotonic()
    const refresh = (): void => {
      this.#isRefreshing = false
      if (!this.#isClosed) this.#refresh()
    }
    if (waitMs <= 0) this.#clock.soon(refresh)
    else this.#clock.after(waitMs, refresh)
  }

  #refresh(): void {
    this.#refreshedAtMs = this.#clock.monotonic()
    if (this.#byGroup.size === 0) this.#lastTickMs = this.#refreshedAtMs
    const refreshed: Map<string, Watch>[] = []
    for (const groupId of this.#dirty) {
      const group = this.#proposer.state.groups.byId(groupId)
      const watches = group === undefined ? undefined : this.#watchesOf(group, this.#byGroup.get(groupId))
      if (watches === undefined || watches.size === 0) this.#byGroup.delete(groupId)
      else {
        this.#byGroup.set(groupId, watches)
        refreshed.push(watches)
      }
    }
    this.#dirty.clear()
    this.#schedule(refreshed)
  }

  #watchesOf(group: Group, known: ReadonlyMap<string, Watch> | undefined): Map<string, Watch> {
    const nowMs = this.#clock.monotonic()
    const watches = new Map<string, Watch>()
    const watch = (kind: Watch['kind'], memberId: string, { armedAt, delayMs }: Countdown): void => {
      const key = `${kind}:${memberId}`
      const before = known?.get(key)
      if (before?.armedAt === armedAt) {
        watches.set(key, before)
        return
      }
      // A touch that was long under way must not take away time that an earlier one has given.
      const dueAtMs = Math.max(nowMs + delayMs, kind === 'member' ? (before?.dueAtMs ?? 0) : 0)
      const { groupId } = group
      watches.set(key, { kind, groupId, memberId, armedAt, delayMs, dueAtMs, isDeferred: false, isProposing: false })
    }
    for (const member of group.members.values()) watch('member', member.memberId, member.session)
    for (const [memberId, countdown] of group.pendingMembers) watch('member', memberId, countdown)
    if (group.joinCountdown !== null) watch('join', '', group.joinCountdown)
    if (group.syncCountdown !== null) watch('sync', '', group.syncCountdown)
    return watches
  }

  /** Of the watches that may have become due earlier than is known, or all. */
  #schedule(changed: Iterable<Map<string, Watch>>): void {
    if (this.#isClosed || this.#byGroup.size === 0) return
    const nowMs = this.#clock.monotonic()
    let nextMs = nowMs + pulseMs
    for (const watches of changed)
      for (const watch of watches.values()) if (!watch.isProposing) nextMs = Math.min(nextMs, watch.dueAtMs)
    if (nextMs >= this.#tickAtMs) return
    this.#timer?.cancel()
    this.#tickAtMs = nextMs
    this.#timer = this.#clock.after(Math.max(Math.ceil(nextMs - nowMs), 0), () => {
      this.#tickAtMs = Number.POSITIVE_INFINITY
      this.#tick()
      this.#schedule(this.#byGroup.values())
    })
  }

  #tick(): void {
    const nowMs = this.#clock.monotonic()
    const tailAgeMs = this.#proposer.tailAgeMs()
    const gapMs = Math.max(tailAgeMs, nowMs - this.#lastTickMs)
    this.#lastTickMs = nowMs
    if (tailAgeMs > tailAgeWantedMs) void this.#confirmTail()
    for (const watches of this.#byGroup.values())
      for (const watch of watches.values()) {
        if (gapMs > Math.max(gapMinMs, watch.delayMs / 3))
          watch.dueAtMs = Math.max(watch.dueAtMs, nowMs + Math.max(watch.delayMs, pulseMs))
        else if (watch.dueAtMs <= nowMs && !watch.isProposing) this.#due(watch, nowMs)
      }
  }

  #due(watch: Watch, nowMs: number): void {
    const sessionEndMs =
      watch.kind === 'member' ? this.#sessions.sessionEndMs(watch.groupId, watch.memberId) : undefined
    if (sessionEndMs !== undefined && sessionEndMs > nowMs) {
      // We know better than the ledger does.
      watch.dueAtMs = sessionEndMs
      this.#sessions.touchNow()
      return
    }
    const isOurs = sessionEndMs !== undefined || (watch.kind !== 'member' && this.#parked.holdsAnyOf(watch.groupId))
    if (!isOurs && !watch.isDeferred) {
      watch.isDeferred = true
      watch.dueAtMs = nowMs + 500 + this.#random.next() * 1000
      return
    }
    watch.isProposing = true
    void this.#expire(watch)
  }

  async #expire(watch: Watch): Promise<void> {
    const { kind, groupId, memberId, armedAt } = watch
    try {
      await this.#proposer.barrier()
      if (this.#isClosed || !isStillArmed(this.#proposer.state.groups.byId(groupId), watch)) return
      if (kind === 'member') {
        const { isEffective } = await this.#proposer.propose('expireMember', { groupId, memberId, armedAt })
        if (isEffective) this.#log.info({ groupId, memberId }, 'member removed: its session has timed out')
      } else await this.#proposer.propose(kind === 'join' ? 'expireJoin' : 'expireSync', { groupId, armedAt })
    } catch (error) {
      watch.dueAtMs = this.#clock.monotonic() + Math.max(watch.delayMs, pulseMs)
      watch.isProposing = false
      if (!(error instanceof UnavailableError))
        this.#log.error({ groupId, memberId, error: messageOf(error) }, 'a time-out could not be carried out')
    } finally {
      // Unless that failed, the state has another countdown now, or none, and this watch is replaced.
      this.#refreshSoon(groupId)
    }
  }

  /** Follow the ledger closely while somebody's silence is measured. A failure shows in the tail's age. */
  async #confirmTail(): Promise<void> {
    if (this.#isConfirming) return
    this.#isConfirming = true
    try {
      await this.#proposer.barrier()
    } catch (error) {
      if (!(error instanceof UnavailableError))
        this.#log.error({ error: messageOf(error) }, 'the tail could not be confirmed')
    } finally {
      this.#isConfirming = false
    }
  }
}

function isStillArmed(group: Group | undefined, { kind, memberId, armedAt }: Watch): boolean {
  if (group === undefined) return false
  if (kind === 'join') return group.joinCountdown?.armedAt === armedAt
  if (kind === 'sync') return group.syncCountdown?.armedAt === armedAt
  const countdown = group.members.get(memberId)?.session ?? group.pendingMembers.get(memberId)
  return countdown?.armedAt === armedAt
}
