import type { Clock } from '../../base/clock.js'
import { Rate } from './rate.js'

/**
 * The share of the time in which others' puts are under way from which on a collision is likely; and, once they leave
 * the order to one of them, who makes fewer entries than all did, the share below which it is not any more.
 */
const crowdedShare = 0.3
const stillCrowdedShare = 0.15
/** Others are busy who make so many entries a second. */
const busyEntries = 100
/** The share from which on others may find it crowded, and leave their parts in their lanes. */
const busyShare = 0.12
/** Who lost so many places in the last second need not wait for a share to tell: the collisions are there. */
const lossesMin = 2
/** They may have left them a while ago, milliseconds. */
const busyForMs = 5_000

/**
 * Who orders the ledger now, and whether it is worth competing. The *sequencer* is simply the writer of the last
 * effective entry: no election, no lease; to be mistaken about it costs void parts, never correctness.
 */
export class Traffic {
  readonly #clock: Clock
  readonly #writer: number
  readonly #others = new Rate()
  readonly #own = new Rate()
  /** Places at which somebody else's entry was found when ours was put there. */
  readonly #lost = new Rate()
  #busyAt = Number.NEGATIVE_INFINITY
  #isCrowded = false
  /** The writer of the last effective entry; 0 if there was none, or if it said good-bye. */
  sequencer = 0
  readonly #tailConfirmedAt: () => number
  /** When its last entry was applied here. */
  #lastEntryAt = Number.NEGATIVE_INFINITY

  /** `tailConfirmedAt`: when the look began that last found no further entry, by the monotonic clock. */
  constructor(clock: Clock, writer: number, tailConfirmedAt: () => number) {
    this.#clock = clock
    this.#writer = writer
    this.#tailConfirmedAt = tailConfirmedAt
  }

  /**
   * For how long nobody has written, as far as this instance has looked, milliseconds: whoever did not come to look, since
   * it was stopped or has much to do, knows nothing of the time since.
   */
  silenceMs(): number {
    return Math.max(0, this.#tailConfirmedAt() - this.#lastEntryAt)
  }

  /** An effective entry was applied. */
  applied(writer: number): void {
    const now = this.#clock.monotonic()
    this.sequencer = writer
    this.#lastEntryAt = now
    const rate = writer === this.#writer ? this.#own : this.#others
    rate.count(now)
  }

  /** A put of ours found its place taken. */
  lostPlace(): void {
    this.#lost.count(this.#clock.monotonic())
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
   * much of the time, or took our places. Never after a silence of more than `quietMs`: whoever wrote may be gone.
   */
  isCrowded(putMs: number, quietMs: number): boolean {
    const isOthers = this.sequencer !== 0 && !this.isSequencer() && this.silenceMs() <= quietMs
    if (!isOthers) {
      this.#isCrowded = false
      return false
    }
    const now = this.#clock.monotonic()
    const share = (this.#others.perSecond(now) * putMs) / 1_000
    const isBeaten = this.#lost.perSecond(now) >= lossesMin
    this.#isCrowded = isBeaten || share > (this.#isCrowded ? stillCrowdedShare : crowdedShare)
    return this.#isCrowded
  }

  /** Whether others make many entries, each of which is to be read here. */
  areOthersBusy(): boolean {
    return this.#others.perSecond(this.#clock.monotonic()) >= busyEntries
  }

  /** Whether this instance orders the ledger, and so much that others may wait in their lanes. */
  isBusySequencer(putMs: number): boolean {
    if (!this.isSequencer()) return false
    const now = this.#clock.monotonic()
    if ((this.#own.perSecond(now) * putMs) / 1_000 > busyShare) this.#busyAt = now
    return now - this.#busyAt < busyForMs
  }
}
