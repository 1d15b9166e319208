import type { Clock } from '../../base/clock.js'
import { UnavailableError } from '../../base/errors.js'
import type { ObjectStore } from '../store/object-store.js'

/** Entries are deleted so long after a snapshot covers them, unless it is set otherwise, milliseconds. */
export const trimGraceDefaultMs = 60 * 60_000
/** The share of that time which a process may spend without knowing the tail. */
const fencedShare = 1 / 4

/** A moment by both clocks: the monotonic one may stand still while a machine sleeps, the wall clock may jump. */
export interface Moment {
  monotonicMs: number
  wallMs: number
}

/**
 * Entries are deleted some time after a snapshot covers them (`trim_grace_ms`). To a process that slept meanwhile the
 * next place would look free: it would take it for the tail, and acknowledge what nobody will ever read. So a process that
 * has not confirmed the tail for a quarter of that time has lost its place in the ledger for good: nothing that it
 * learns from the store counts, nothing that it stored is acknowledged, and it ends, to start again from the newest
 * snapshot as a new writer. The other three quarters are for requests that were under way.
 */
export class Fence {
  readonly #clock: Clock
  readonly #limitMs: number
  #confirmed: Moment

  /** Begins with what the snapshot will tell: so it is made before one is looked for. */
  constructor(clock: Clock, trimGraceMs: number) {
    this.#clock = clock
    this.#limitMs = trimGraceMs * fencedShare
    this.#confirmed = this.moment()
  }

  moment(): Moment {
    return { monotonicMs: this.#clock.monotonic(), wallMs: this.#clock.now() }
  }

  /** The tail was where this process believes it to be at some moment after `since`. */
  confirmed(since: Moment): void {
    if (since.monotonicMs > this.#confirmed.monotonicMs) this.#confirmed = since
  }

  /** @throws UnavailableError for ever, once the tail was not confirmed for too long. */
  check(): void {
    const { monotonicMs, wallMs } = this.#confirmed
    const ageMs = Math.max(this.#clock.monotonic() - monotonicMs, this.#clock.now() - wallMs)
    if (ageMs <= this.#limitMs) return
    throw new UnavailableError(
      `this instance did not know the ledger's tail for ${Math.round(ageMs / 1_000)} s, longer than a quarter of ` +
        'trim_grace_ms: entries that it has not seen may have been deleted, so it must start again',
    )
  }
}

/** The store as a ledger may use it: whatever it answers after too long a time does not count. */
export function fenced(store: ObjectStore, fence: Fence): ObjectStore {
  return {
    url: store.url,
    kind: store.kind,
    async putIfAbsent(key, body) {
      fence.check()
      const outcome = await store.putIfAbsent(key, body)
      fence.check()
      return outcome
    },
    async get(key, range, allocate) {
      const object = await store.get(key, range, allocate)
      fence.check()
      return object
    },
    list: (prefix, options) => store.list(prefix, options),
    delete: (keys) => store.delete(keys),
    ...(store.watch === undefined ? {} : { watch: store.watch.bind(store) }),
    close: () => store.close(),
  }
}
