import type { Clock } from '../../base/clock.js'

/** What others wrote in so long is looked at, milliseconds; counted in slices. */
const windowMs = 1_000
const slices = 10
const sliceMs = windowMs / slices
/** The share of the time in which others' puts are under way from which on a collision is likely. */
const crowdedShare = 0.5
/** The share from which on others may find it crowded, and leave their parts in their lanes. */
const busyShare = 0.25
/** They may have left them a while ago, milliseconds. */
const busyForMs = 5_000

/**
 * Who orders the ledger now, and whether it is worth competing. The *sequencer* is simply the writer of the last
 * effective entry: no election, no lease; to be mistaken about it costs void parts, never correctness.
 */
export class Traffic {
  readonly #clock: Clock
  readonly #writer: number
  readonly #others = new EntryRate()
  readonly #own = new EntryRate()
  #busyAt = Number.NEGATIVE_INFINITY
  /** The writer of the last effective entry; 0 if there was none, or if it said good-bye. */
  sequencer = 0
  /** When its last entry was applied here. */
  lastEntryAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, writer: number) {
    this.#clock = clock
    this.#writer = writer
  }

  /** An effective entry was applied. */
  applied(writer: number): void {
    const now = this.#clock.monotonic()
    this.sequencer = writer
    this.lastEntryAt = now
    const rate = writer === this.#writer ? this.#own : this.#others
    rate.count(now)
  }

  /** A writer said that it will write no more. */
  retired(writer: number): void {
    if (this.sequencer === writer) this.sequencer = 0
  }

  isSequencer(): boolean {
    return this.sequencer === this.#writer
  }

  /**
   * Whether a put at the tail would likely lose its place to somebody else's: others keep the store busy with puts for
   * more than half of the time. Never if the last entry is older than `quietMs`: whoever wrote may be gone.
   */
  isCrowded(putMs: number, quietMs: number): boolean {
    if (this.sequencer === 0 || this.isSequencer()) return false
    const now = this.#clock.monotonic()
    if (now - this.lastEntryAt > quietMs) return false
    return (this.#others.perSecond(now) * putMs) / 1_000 > crowdedShare
  }

  /** Whether this instance orders the ledger, and so much that others may wait in their lanes. */
  isBusySequencer(putMs: number): boolean {
    if (!this.isSequencer()) return false
    const now = this.#clock.monotonic()
    if ((this.#own.perSecond(now) * putMs) / 1_000 > busyShare) this.#busyAt = now
    return now - this.#busyAt < busyForMs
  }
}

/** Entries of the last second, by slices of the monotonic clock; a slice's place is taken over after a window. */
class EntryRate {
  readonly #counts = new Array<number>(slices).fill(0)
  #slice = 0

  count(now: number): void {
    this.#advance(now)
    const at = this.#slice % slices
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  perSecond(now: number): number {
    this.#advance(now)
    return (this.#counts.reduce((sum, count) => sum + count, 0) * 1_000) / windowMs
  }

  #advance(now: number): void {
    const slice = Math.floor(now / sliceMs)
    for (let gone = Math.max(this.#slice, slice - slices) + 1; gone <= slice; gone++) this.#counts[gone % slices] = 0
    this.#slice = Math.max(this.#slice, slice)
  }
}
