import type { Clock } from '../../base/clock.js'
import { UnavailableError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Pins } from '../../base/pinned-memory.js'
import type { Random } from '../../base/random.js'
import type { ObjectStore } from '../store/object-store.js'
import { type DecodedEntry, encodeHead, type Part } from './entry.js'
import type { Fence, Moment } from './fence.js'
import { FlushPace, type FlushPaceSettings } from './flush-pace.js'
import type { Fold } from './fold.js'
import { Gathering } from './gathering.js'
import { entryKey, laneKey } from './keys.js'
import type { Lanes } from './lanes.js'
import type { LedgerObserver } from './observer.js'
import { buildPart, type Proposal } from './part-builder.js'
import type { PendingPart, Placement } from './pending-part.js'
import { PlacementOrder } from './placement-order.js'
import { Placements } from './placements.js'
import { Puts } from './puts.js'
import type { Traffic } from './traffic.js'
import type { WaitingBytes } from './waiting-bytes.js'

/** A flush takes proposals up to `flushBytes` of record batches, and at least one. */
export interface CommitterSettings extends FlushPaceSettings {
  /** Puts of entries and parts that may be under way at once. */
  maxInflightEntries: number
  /** Bytes of record batches that may wait; more are refused. */
  waitingBytesMax: number
}

export interface CommitterOptions extends CommitterSettings {
  /** Fenced: what is stored too late is not acknowledged. */
  store: ObjectStore
  fence: Fence
  fold: Fold
  traffic: Traffic
  lanes: Lanes
  clock: Clock
  random: Random
  log: Log
  observer: LedgerObserver
  /** Counts with those of the process's other ledgers. */
  waiting: WaitingBytes
  pins: Pins
  ledger: number
  writer: number
  /** Somebody else has a place that we wanted: it is to be read. */
  onConflict(): void
  /** A part of ours is in its lane: the entry that orders it is to be looked for. */
  onLeftInLane(): void
  /** An entry of ours, begun to be stored at `since`, stands at that place. */
  onStored(sequence: number, since: Moment): void
  /** The ledger can't be written any more. */
  onFatal(error: unknown): void
}

/**
 * The ledger is quiet when nothing was written for so many put latencies, for so many flush intervals (a sequencer makes an
 * entry in each), and for at least so long, milliseconds.
 */
const quietPuts = 8
const quietFlushes = 5
const quietMsMin = 100
/** A part that waits in its lane for longer than this, or up to twice as long, is put into the ledger directly, milliseconds. */
const patienceMs = 2_500

/** Parts of ours that have not taken effect yet, at most; the rest waits in the queue, whose bytes are bounded. */
export const partsPendingMax = 32

/**
 * Group commit: makes what waits into parts, and has them ordered. While a collision is unlikely it puts them into the
 * ledger itself, at the tail, several entries under way at once. Where others are writing, it leaves them in its lane,
 * for the sequencer to find; and is it the sequencer itself, it orders with its own parts those it finds in the lanes.
 * Parts that lost their place, or were void, are placed again: the writer-index rule makes that safe.
 */
export class Committer {
  readonly #options: CommitterOptions
  readonly #puts: Puts
  #queue: Proposal[] = []
  #queueBytes = 0
  readonly #pending = new Map<number, PendingPart>()
  readonly #placements = new Placements()
  readonly #gathering: Gathering
  #putsUnderWay = 0
  #lastIndex = 0
  /** The next place to try. */
  #place = 0
  /** Of parts, and of entries of others' parts alone. */
  readonly #pace: FlushPace
  #notBefore = Number.NEGATIVE_INFINITY
  #timerIsSet = false
  #closed: Error | undefined
  #isStopped = false
  #onIdle: (() => void) | undefined

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#puts = new Puts(options)
    this.#pace = new FlushPace(options)
    const { clock, traffic } = options
    this.#gathering = new Gathering({
      clock,
      traffic,
      waiting: () => this.#queue.length,
      onGathered: () => this.#pump(),
    })
  }

  /** How long a put takes, milliseconds; a moving average. */
  get putMs(): number {
    return this.#puts.usualMs
  }

  /** Queues a proposal. It keeps its place among this instance's proposals. */
  propose(proposal: Proposal): void {
    if (this.#closed !== undefined) throw this.#closed
    if (proposal.kind === 'append') this.#waits(proposal.batch.length)
    this.#queue.push(proposal)
    this.pumpSoon()
  }

  /** Whether the store is yet to say what stands at that place, where we are storing an entry. */
  isPutting(sequence: number): boolean {
    return this.#placements.isUnanswered(sequence)
  }

  /** Whether parts of ours wait for somebody else's entry. */
  isInLane(): boolean {
    for (const { lane } of this.#pending.values()) if (lane !== 'no') return true
    return false
  }

  /** How long puts have been failing, and why; undefined while they succeed. */
  failure(): { forMs: number; reason: string } | undefined {
    return this.#puts.failure()
  }

  /** The bytes of a part of ours that is being applied; undefined if it is not one of this process. */
  bodyOf(index: number): readonly Buffer[] | undefined {
    return this.#pending.get(index)?.content.body
  }

  /** A part of ours took effect. */
  partApplied(index: number, outcomes: unknown[]): void {
    const pending = this.#pending.get(index)
    if (pending === undefined) return
    this.#pending.delete(index)
    pending.content.settle(outcomes)
    if (this.#pending.size === 0 && this.#queue.length === 0) this.#onIdle?.()
  }

  /** What stood at a place has been applied: parts that wanted it and did not take effect need another. */
  entryApplied(sequence: number, entry: DecodedEntry): void {
    const isDisplaced = this.#placements.displace(sequence)
    const { writer, observer, clock, random } = this.#options
    if (this.#placements.forget(sequence) && entry.writer !== writer) {
      observer.conflict()
      if (isDisplaced) this.#notBefore = clock.monotonic() + random.next() * this.putMs
    }
    if (this.#queue.length > 0 || this.#pending.size > 0) this.pumpSoon()
  }

  /**
   * Takes no more proposals, and waits until all have taken effect, at most `timeoutMs`; then the rest is rejected,
   * its outcome unknown.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#closed ??= new UnavailableError('this instance is shutting down')
    if (this.#pending.size > 0 || this.#queue.length > 0)
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.after(timeoutMs, resolve)
        this.#onIdle = () => {
          timer.cancel()
          resolve()
        }
      })
    this.fail(this.#closed)
  }

  /** Rejects all that waits and will come. */
  fail(error: Error): void {
    this.#closed = error
    this.#isStopped = true
    this.#waits(-this.#queueBytes)
    for (const proposal of this.#queue.splice(0))
      (proposal.kind === 'append' ? proposal.request : proposal).reject(error)
    for (const pending of this.#pending.values()) pending.content.reject(error)
    this.#pending.clear()
  }

  /** Goes on, once what has come in together is handled, so that it goes into one flush. */
  pumpSoon(): void {
    this.#gathering.begin()
  }

  #waits(bytes: number): void {
    this.#queueBytes += bytes
    this.#options.waiting.bytes += bytes
  }

  #pumpAfter(ms: number): void {
    if (this.#timerIsSet) return
    this.#timerIsSet = true
    this.#options.clock.after(ms, () => {
      this.#timerIsSet = false
      this.#pump()
    })
  }

  #pump(): void {
    const { clock, maxInflightEntries, traffic } = this.#options
    while (this.#putsUnderWay < maxInflightEntries && !this.#isStopped) {
      const now = clock.monotonic()
      if (now < this.#notBefore) {
        this.#pumpAfter(this.#notBefore - now)
        return
      }
      if (this.#queue.length > 0 && this.#isReadyForPart()) this.#flushIfDue(now)
      const isCrowded =
        traffic.isCrowded(this.putMs, this.#quietMs()) && !this.#puts.decideToCompete(this.#unplacedBytes())
      if (!(isCrowded ? this.#storeInLane(now) : this.#storeInLedger())) return
    }
  }

  /** Bytes of our parts that have no place. */
  #unplacedBytes(): number {
    let bytes = 0
    for (const { part, sequence } of this.#pending.values()) if (sequence === 0) bytes += part.bodyLength
    return bytes
  }

  #quietMs(): number {
    return Math.max(quietMsMin, quietPuts * this.putMs, quietFlushes * this.#options.flushIntervalMs)
  }

  /**
   * While a part waits to be stored, what comes in waits for the next one: otherwise each would be as small as what
   * comes in between two puts, and those that wait would never become fewer.
   */
  #isReadyForPart(): boolean {
    if (this.#pending.size >= partsPendingMax) return false
    for (const { lane, sequence } of this.#pending.values()) if (lane === 'no' && sequence === 0) return false
    return true
  }

  #flushIfDue(now: number): void {
    const waitMs = this.#pace.waitMs(now, this.#queueBytes)
    if (waitMs > 0) this.#pumpAfter(waitMs)
    else this.#makePart(now)
  }

  #makePart(now: number): void {
    const { flushBytes, clock, writer, pins } = this.#options
    let bytes = 0
    let count = 0
    for (const proposal of this.#queue) {
      const length = proposal.kind === 'append' ? proposal.batch.length : 0
      if (count > 0 && bytes + length > flushBytes) break
      bytes += length
      count++
    }
    const content = buildPart(count === this.#queue.length ? this.#queue : this.#queue.slice(0, count), pins)
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count)
    this.#waits(-bytes)
    this.#pace.flushed(now)
    const index = ++this.#lastIndex
    const { commands, plain, bodyLength } = content
    const part: Part = { writer, index, timeMs: clock.now(), commands, bodyLength, lanePosition: 0, plain }
    this.#pending.set(index, { part, content, since: now, sequence: 0, lane: 'no', lanePosition: 0 })
  }

  /** Begins to store the next part in our lane; false if there is none. Takes over if there is no sequencer. */
  #storeInLane(now: number): boolean {
    for (const pending of this.#pending.values()) {
      if (pending.lane !== 'no' || pending.sequence !== 0) continue
      pending.lane = 'storing'
      this.#underWay(this.#putInLane(pending))
      return true
    }
    const [oldest] = this.#pending.values()
    if (oldest === undefined) return false
    const { random, traffic } = this.#options
    const quietMs = this.#quietMs()
    const waitedMs = now - oldest.since
    const isQuiet = traffic.silenceMs() > quietMs * (0.6 + 0.4 * random.next()) && waitedMs > 0.6 * quietMs
    if (!isQuiet && waitedMs < patienceMs * (1 + random.next())) {
      this.#pumpAfter(quietMs / 10)
      return false
    }
    oldest.since = now
    return this.#storeInLedger()
  }

  /** Begins to store all that waits, ours and what is known to wait in the lanes, at the tail; false if nothing does. */
  #storeInLedger(): boolean {
    const { fold, lanes, flushBytes } = this.#options
    const placement: Placement = { own: [], foreign: [], isAnswered: false }
    const mine = new PlacementOrder()
    let bytes = 0
    for (const pending of this.#pending.values()) {
      if (mine.isWellPlaced(pending.sequence)) continue
      bytes += pending.part.bodyLength
      if (placement.own.length > 0 && bytes > flushBytes) break
      placement.own.push(pending)
    }
    const orders = new Map<number, PlacementOrder>()
    for (const part of lanes.waiting()) {
      let order = orders.get(part.writer)
      if (order === undefined) {
        order = new PlacementOrder()
        orders.set(part.writer, order)
      }
      if (order.isWellPlaced(this.#placements.placeOf(part))) continue
      bytes += part.commands.length
      if (placement.foreign.length > 0 && bytes > flushBytes) break
      placement.foreign.push(part)
    }
    if (placement.own.length === 0 && !this.#mayCarry(placement.foreign, bytes)) return false
    const sequence = Math.max(this.#place, fold.next)
    this.#place = sequence + 1
    this.#placements.add(sequence, placement)
    this.#underWay(this.#putInLedger(sequence, placement))
    return true
  }

  /** Whether parts of others alone are to become an entry now: it costs a put, as one with a part of our own does. */
  #mayCarry(parts: readonly Part[], bytes: number): boolean {
    if (parts.length === 0) return false
    const now = this.#options.clock.monotonic()
    const waitMs = this.#pace.waitMs(now, bytes)
    if (waitMs > 0) {
      this.#pumpAfter(waitMs)
      return false
    }
    this.#pace.flushed(now)
    return true
  }

  #underWay(put: Promise<void>): void {
    this.#putsUnderWay++
    const ended = () => {
      this.#putsUnderWay--
      if (this.#queue.length > 0 || this.#pending.size > 0 || this.#options.lanes.hasFound) this.pumpSoon()
    }
    put.then(ended, (error: unknown) => {
      this.#options.onFatal(error)
      ended()
    })
  }

  async #putInLedger(sequence: number, placement: Placement): Promise<void> {
    const { fold, fence, clock, observer, traffic, writer, ledger, onStored, onConflict } = this.#options
    const inline: Buffer[] = []
    const parts = placement.own.map((pending) => {
      if (pending.lane === 'stored') return { ...pending.part, lanePosition: pending.lanePosition }
      inline.push(...pending.content.body)
      return pending.part
    })
    parts.push(...placement.foreign)
    const head = encodeHead(writer, parts)
    const since = fence.moment()
    const isMoot = () => this.#isStopped || fold.has(sequence)
    const outcome = await this.#puts.put(entryKey(ledger, sequence), [head, ...inline], isMoot, true)
    placement.isAnswered = true
    if (outcome === 'created') {
      observer.entryStored(
        (clock.monotonic() - since.monotonicMs) / 1_000,
        inline.reduce((sum, piece) => sum + piece.length, head.length),
      )
      fold.offer(sequence, { writer, parts, bodyPosition: head.length })
      onStored(sequence, since)
      return
    }
    if (outcome === 'exists') {
      traffic.lostPlace()
      // Where it takes no time to find out, it is not waited for what stands there: the next place may be free.
      if (this.#options.store.kind === 'local') this.#placements.displace(sequence)
    }
    if (!fold.has(sequence) && !this.#isStopped) onConflict()
  }

  async #putInLane(pending: PendingPart): Promise<void> {
    const { ledger, writer } = this.#options
    const { part, content } = pending
    const head = encodeHead(writer, [part])
    const isMoot = () => this.#isStopped || !this.#pending.has(part.index)
    // Nobody else writes under this name: if it exists, it is what an earlier attempt stored.
    await this.#puts.put(laneKey(ledger, writer, part.index), [head, ...content.body], isMoot, false)
    pending.lane = 'stored'
    pending.lanePosition = head.length
    this.#options.onLeftInLane()
  }
}
