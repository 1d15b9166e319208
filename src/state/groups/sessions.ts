import type { Clock, Timer } from '../../base/clock.js'
import { messageOf, UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Proposer } from '../ledger/proposer.js'
import type { ParkedRequests } from './parked.js'

/** A member that talks to this instance. */
interface Served {
  /** Monotonic time of its last sign of life. */
  heardAtMs: number
  /** The sign of life that was last put into the ledger. */
  reportedAtMs: number
  sessionTimeoutMs: number
}

/** Members in one `touchMembers` command at most; more go into further ones. */
const touchedMembersMax = 2000

/**
 * Whom has this instance heard from? Heartbeats are answered at once and remembered here; the others learn of them
 * by one command for all members, a third of the shortest session time-out apart.
 */
export class Sessions {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #log: Log
  readonly #parked: ParkedRequests
  readonly #byGroup = new Map<string, Map<string, Served>>()
  #timer: Timer | undefined
  #touchAtMs = Number.POSITIVE_INFINITY
  #isTouching: boolean = false
  #hasNewcomers: boolean = false
  #isClosed: boolean = false

  constructor(options: { proposer: Proposer; clock: Clock; log: Log; parked: ParkedRequests }) {
    this.#proposer = options.proposer
    this.#clock = options.clock
    this.#log = options.log
    this.#parked = options.parked
  }

  /** A member has shown that it lives, at `heardAtMs` of the monotonic clock. */
  heard(groupId: string, memberId: string, sessionTimeoutMs: number, heardAtMs: number): void {
    const ofGroup = this.#byGroup.get(groupId) ?? new Map<string, Served>()
    this.#byGroup.set(groupId, ofGroup)
    const served = ofGroup.get(memberId)
    if (served === undefined) {
      ofGroup.set(memberId, { heardAtMs, reportedAtMs: -1, sessionTimeoutMs })
      // It may have come here after a long silence, from an instance that is gone: others are measuring it.
      this.#hasNewcomers = true
      this.#touchWithin(0)
    } else {
      served.heardAtMs = heardAtMs
      served.sessionTimeoutMs = sessionTimeoutMs
    }
    this.#touchWithin(sessionTimeoutMs / 3)
  }

  /** When the session of a member that talks to this instance ends, monotonic; it does not while a request waits here. */
  sessionEndMs(groupId: string, memberId: string): number | undefined {
    if (this.#parked.holds(groupId, memberId)) {
      const member = this.#proposer.state.groups.byId(groupId)?.members.get(memberId)
      if (member !== undefined) return this.#clock.monotonic() + member.sessionTimeoutMs
    }
    const served = this.#byGroup.get(groupId)?.get(memberId)
    return served && served.heardAtMs + served.sessionTimeoutMs
  }

  /** Tells the others as soon as may be. */
  touchNow(): void {
    this.#touchWithin(0)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #touchWithin(delayMs: number): void {
    const atMs = this.#clock.monotonic() + delayMs
    if (this.#isClosed || atMs >= this.#touchAtMs) return
    this.#timer?.cancel()
    this.#touchAtMs = atMs
    this.#timer = this.#clock.after(delayMs, () => {
      this.#touchAtMs = Number.POSITIVE_INFINITY
      void this.#touch()
    })
  }

  async #touch(): Promise<void> {
    const nowMs = this.#clock.monotonic()
    for (const { groupId, memberId } of this.#parked.members()) {
      const member = this.#proposer.state.groups.byId(groupId)?.members.get(memberId)
      if (member !== undefined) this.heard(groupId, memberId, member.sessionTimeoutMs, nowMs)
    }
    const members: [groupId: string, memberId: string, ageMs: number][] = []
    const reported: [served: Served, heardAtMs: number][] = []
    let shortestMs = Number.POSITIVE_INFINITY
    for (const [groupId, ofGroup] of this.#byGroup) {
      const group = this.#proposer.state.groups.byId(groupId)
      for (const [memberId, served] of ofGroup) {
        if (!group?.members.has(memberId) || served.heardAtMs + 2 * served.sessionTimeoutMs < nowMs) {
          ofGroup.delete(memberId)
          continue
        }
        shortestMs = Math.min(shortestMs, served.sessionTimeoutMs)
        if (served.heardAtMs <= served.reportedAtMs) continue
        members.push([groupId, memberId, Math.max(Math.ceil(nowMs - served.heardAtMs), 0)])
        reported.push([served, served.heardAtMs])
      }
      if (ofGroup.size === 0) this.#byGroup.delete(groupId)
    }
    if (shortestMs < Number.POSITIVE_INFINITY) this.#touchWithin(shortestMs / 3)
    if (members.length === 0 || this.#isTouching) return
    // One at a time: when the store is slow, the next one carries what has been heard meanwhile.
    this.#isTouching = true
    this.#hasNewcomers = false
    try {
      for (let i = 0; i < members.length; i += touchedMembersMax)
        await this.#proposer.propose('touchMembers', { members: members.slice(i, i + touchedMembersMax) })
      for (const [served, heardAtMs] of reported) served.reportedAtMs = Math.max(served.reportedAtMs, heardAtMs)
    } catch (error) {
      // They stay unreported, so the next touch tries again.
      if (error instanceof UnavailableError) this.#log.warn({ members: members.length }, 'members could not be touched')
      else this.#log.error({ error: messageOf(error) }, 'touching members failed')
    } finally {
      this.#isTouching = false
      if (this.#hasNewcomers) this.#touchWithin(0)
    }
  }
}
