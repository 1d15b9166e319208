import type { ApplyTable } from './view.js'

/** Who holds a lease, if anybody, and since when it has not been renewed. */
export interface LeaseState {
  readonly name: string
  /** The writer number of the holding process; null when the lease is free. */
  holder: number | null
  /** Raised by each change of holder, and never lowered. */
  term: number
  /** Position of the last renewal; whoever saw that `ttlMs` ago, and nothing since, may take the lease over. */
  renewedAt: number
  ttlMs: number
}

/** Named leases: at most one holder per term. */
export class Leases {
  readonly #byName = new Map<string, LeaseState>()

  byName(name: string): LeaseState | undefined {
    return this.#byName.get(name)
  }

  isHeld(name: string, term: number): boolean {
    const lease = this.#byName.get(name)
    return lease !== undefined && lease.holder !== null && lease.term === term
  }

  put(lease: LeaseState): void {
    this.#byName.set(lease.name, lease)
  }

  toSnapshot(): unknown {
    return [...this.#byName.values()].map(
      (lease): PackedLease => [lease.name, lease.holder, lease.term, lease.renewedAt, lease.ttlMs],
    )
  }

  static fromSnapshot(snapshot: unknown): Leases {
    const leases = new Leases()
    for (const [name, holder, term, renewedAt, ttlMs] of snapshot as PackedLease[])
      leases.put({ name, holder, term, renewedAt, ttlMs })
    return leases
  }
}

type PackedLease = [name: string, holder: number | null, term: number, renewedAt: number, ttlMs: number]

export interface AcquireLeaseCommand {
  name: string
  ttlMs: number
  /** The last renewal as the proposer saw it, more than its `ttlMs` ago; null if it takes the lease for free. */
  seenPosition: number | null
}

/** `term` is 0 for a lease that somebody else holds. */
export interface AcquireLeaseOutcome {
  term: number
}

export interface LeaseCommands {
  acquireLease: { command: AcquireLeaseCommand; outcome: AcquireLeaseOutcome }
  renewLeases: { command: { leases: [name: string, term: number][] }; outcome: { isRenewed: boolean[] } }
  releaseLease: { command: { name: string; term: number }; outcome: { isReleased: boolean } }
}

export const leaseApply: ApplyTable<LeaseCommands> = {
  acquireLease(state, { name, ttlMs, seenPosition }, place, events) {
    const lease = state.leases.byName(name)
    if (lease !== undefined && lease.holder !== null && lease.renewedAt !== seenPosition) return { term: 0 }
    const term = (lease?.term ?? 0) + 1
    state.leases.put({ name, holder: place.writer, term, renewedAt: place.position, ttlMs })
    events.leaseChanged(name)
    return { term }
  },

  renewLeases(state, { leases }, place) {
    const isRenewed = leases.map(([name, term]) => {
      const lease = state.leases.byName(name)
      if (lease === undefined || lease.holder !== place.writer || lease.term !== term) return false
      lease.renewedAt = place.position
      return true
    })
    return { isRenewed }
  },

  releaseLease(state, { name, term }, place, events) {
    const lease = state.leases.byName(name)
    if (lease === undefined || lease.holder !== place.writer || lease.term !== term) return { isReleased: false }
    lease.holder = null
    events.leaseChanged(name)
    return { isReleased: true }
  },
}
