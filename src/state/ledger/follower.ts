import type { Clock, Timer } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { ObjectStore } from '../store/object-store.js'
import { type DecodedEntry, decodeEntry, headLength } from './entry.js'
import type { Fence, Moment } from './fence.js'
import type { Fold } from './fold.js'
import { entriesFolder, entryKey, numberOfKey } from './keys.js'
import { Rate } from './rate.js'

/** The first read of an entry asks for so many bytes: its head, and its body too if it is small. */
const firstReadBytes = 64 * 1024
/** Entries asked for at once when there are many to catch up with. */
const windowMax = 32
/**
 * After an entry of another writer the next is looked for often: for twice the time that passed since the one before,
 * and at least for so long, milliseconds. If that was longer ago than `rareMs`, it was a single one.
 */
const hotMsMin = 300
const rareMs = 1_000
/** When nobody else writes, the next entry is looked for this much less often, and at least once a second. */
const idleFactor = 10
const idlePollMsMax = 1_000
/** When besides nobody waits here for what they may write, it is looked for this seldom, milliseconds. */
const unawaitedPollMs = 2_000
/**
 * A look takes about so long besides the time between two, milliseconds: what is written meanwhile is asked for with it.
 * A local store answers at once, and tells what is new.
 */
const lookMs = { paid: 40, local: 1 } as const
/** While others write, a look does not wait for the answers of those before it; so many are under way at once at most. */
const looksMax = 4
/** A place is asked for again although no answer has come yet, but no sooner, milliseconds. */
const askAgainMs = 35

export interface FollowerOptions {
  /** Fenced. */
  store: ObjectStore
  fence: Fence
  fold: Fold
  clock: Clock
  log: Log
  ledger: number
  /** Time between two looks for the next entry while others write, milliseconds. */
  pollIntervalMs: number
  /** Whether this instance is just storing an entry at that place: then its answer says what is there. */
  isPutting(sequence: number): boolean
  /** Whether somebody waits here for what others write. */
  isAwaited(): boolean
  /** Whether an entry must come, since others are to order what this instance left them. */
  isExpected(): boolean
  /** Bytes of an entry's body that came with its head. */
  bodyRead(sequence: number, bodyPosition: number, body: Buffer): void
  /** The ledger can't be followed any more: a corrupt or unknown entry. */
  onFatal(error: unknown): void
}

/** Finds the entries that others write, and hands them to the fold. */
export class Follower {
  readonly #options: FollowerOptions
  readonly #stopWatching: (() => void) | undefined
  #closed = false
  #wakes = 0
  #wakeUp: (() => void) | undefined
  #loop: Promise<void> | undefined
  /** When the next place was last found empty, by the monotonic clock: the look began then. */
  #tailConfirmedAt: number
  #lastForeignAt = Number.NEGATIVE_INFINITY
  #hotForMs = hotMsMin
  #lastLookAt = Number.NEGATIVE_INFINITY
  /** Looks that failed since the last one that did not. */
  #failures = 0
  /** When places were last asked for, if there is no answer yet. */
  readonly #askedAt = new Map<number, number>()
  /** Entries that others wrote. */
  readonly #foreign = new Rate()
  #timer: Timer | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#tailConfirmedAt = Number.NEGATIVE_INFINITY
    this.#stopWatching = options.store.watch?.(entriesFolder(options.ledger), (name) => this.#created(name))
  }

  /** Begins to follow. */
  start(): void {
    this.#loop = this.#follow().catch((error: unknown) => this.#options.onFatal(error))
  }

  /** Looks for the next entry at once. */
  wake(): void {
    this.#wakes++
    // It may be there now, whatever the answers under way will say.
    this.#askedAt.clear()
    this.#wakeUp?.()
  }

  /** An entry is expected from now on: who looked seldom looks at once. */
  expect(): void {
    if (!this.#isFed()) this.#wakeUp?.()
  }

  /** An entry may have been created: worth a look, unless it is one that we know of, such as our own. */
  #created(name: string | undefined): void {
    const sequence = name === undefined ? Number.NaN : numberOfKey(name)
    if (!this.#options.fold.has(sequence) && !this.#options.isPutting(sequence)) this.wake()
  }

  /** Milliseconds since the tail was last known to be reached. */
  tailAgeMs(): number {
    return this.#options.clock.monotonic() - this.#tailConfirmedAt
  }

  /** Notes that everything acknowledged before `since` has been applied. */
  confirmed(since: Moment): void {
    if (since.monotonicMs > this.#tailConfirmedAt) this.#tailConfirmedAt = since.monotonicMs
    this.#options.fence.confirmed(since)
  }

  /**
   * Applies everything that anybody was acknowledged before the call.
   * @throws StoreError if the store fails.
   */
  async confirmTail(): Promise<void> {
    const since = this.#options.clock.monotonic()
    await this.#catchUp(() => this.#tailConfirmedAt >= since, true)
  }

  /** Reads entries until a place is found empty, or `isDone`. `mustKnow`: whatever was asked or put there meanwhile. */
  async #catchUp(isDone: () => boolean, mustKnow: boolean): Promise<void> {
    const { fold, fence } = this.#options
    for (let window = this.#expected(); !isDone(); window = Math.min(window * 2, windowMax)) {
      const since = fence.moment()
      const first = fold.next
      const found = await Promise.all(Array.from({ length: window }, (_, i) => this.#ask(first + i, mustKnow)))
      const missing = found.findIndex((isThere) => isThere !== true)
      if (missing < 0) {
        // Who was at the tail a moment ago finds what comes after at the next look; who was not has fallen behind.
        if (!mustKnow && this.#isHot() && this.#wasAtTail()) return
        continue
      }
      // Whoever was acknowledged before the look stands before the place that was still empty then.
      if (found[missing] === false) this.confirmed(since)
      return
    }
  }

  #wasAtTail(): boolean {
    const { pollIntervalMs, store } = this.#options
    return this.tailAgeMs() <= 2 * pollIntervalMs + lookMs[store.kind]
  }

  /** As many entries as others will have written since the last look, going by what they wrote lately, and at least one. */
  #expected(): number {
    const { clock, pollIntervalMs, store } = this.#options
    const now = clock.monotonic()
    const perMs = this.#foreign.perSecond(now) / 1_000
    const sinceMs = Math.min(now - this.#lastLookAt, pollIntervalMs)
    return Math.min(windowMax, 1 + Math.floor(perMs * (sinceMs + lookMs[store.kind])))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopWatching?.()
    this.wake()
    await this.#loop
  }

  async #follow(): Promise<void> {
    const looks = new Set<Promise<void>>()
    while (!this.#closed) {
      const wakes = this.#wakes
      const lookedAt = this.#options.clock.monotonic()
      const look = this.#look().finally(() => looks.delete(look))
      looks.add(look)
      this.#lastLookAt = lookedAt
      if (!this.#isHot() || this.#failures > 0 || looks.size >= looksMax) await Promise.race(looks)
      do await this.#sleep(wakes === this.#wakes ? this.#pause() : 0)
      while (wakes === this.#wakes && this.#failures === 0 && this.#mayRest())
    }
    await Promise.all(looks)
  }

  /** Looks once for what others wrote. */
  async #look(): Promise<void> {
    const { fold, log, isPutting, onFatal } = this.#options
    try {
      if (!isPutting(fold.next)) await this.#catchUp(() => this.#closed, false)
      if (this.#failures > 0) log.info({ failures: this.#failures }, 'the ledger can be followed again')
      this.#failures = 0
    } catch (error) {
      if (!isRetriable(error)) {
        this.#closed = true
        return onFatal(error)
      }
      this.#failures++
      if (this.#failures === 1) log.warn({ error: messageOf(error) }, 'the ledger cannot be followed')
    }
  }

  /** How long from now the next look may wait, milliseconds. */
  #pause(): number {
    const { clock, pollIntervalMs } = this.#options
    if (this.#failures > 0) return Math.min(50 * 2 ** Math.min(this.#failures, 10), 1_000)
    if (!this.#isHot()) return Math.min(pollIntervalMs * idleFactor, idlePollMsMax)
    return this.#lastLookAt + pollIntervalMs - clock.monotonic()
  }

  #isHot(): boolean {
    return this.#isFed() || this.#options.isExpected()
  }

  /** Others wrote lately. */
  #isFed(): boolean {
    return this.#options.clock.monotonic() - this.#lastForeignAt < this.#hotForMs
  }

  /** Nobody writes and nobody waits: the next look can wait too. */
  #mayRest(): boolean {
    const { clock, isAwaited } = this.#options
    if (this.#closed || isAwaited() || this.#isHot()) return false
    return clock.monotonic() - this.#lastLookAt < unawaitedPollMs
  }

  #sleep(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        this.#timer?.cancel()
        this.#wakeUp = undefined
        resolve()
      }
      this.#wakeUp = done
      this.#timer = this.#options.clock.after(ms, done)
      if (this.#closed) done()
    })
  }

  /** Looks for one entry; whether it is there, or undefined if nobody looked. */
  async #ask(sequence: number, mustKnow: boolean): Promise<boolean | undefined> {
    const { fold, isPutting, store, ledger } = this.#options
    if (fold.has(sequence)) return true
    if (!mustKnow && (isPutting(sequence) || this.#isJustAsked(sequence))) return undefined
    const askedAt = this.#options.clock.monotonic()
    this.#askedAt.set(sequence, askedAt)
    const key = entryKey(ledger, sequence)
    const read = await store.get(key, { position: 0, length: firstReadBytes }).finally(() => {
      if (this.#askedAt.get(sequence) === askedAt) this.#askedAt.delete(sequence)
    })
    if (read === undefined) return false
    if (fold.has(sequence)) return true
    const entry = await this.#decode(key, read.bytes)
    const now = this.#options.clock.monotonic()
    const pauseMs = now - this.#lastForeignAt
    this.#hotForMs = pauseMs > rareMs ? hotMsMin : Math.max(hotMsMin, 2 * pauseMs)
    this.#lastForeignAt = now
    this.#foreign.count(now)
    if (read.bytes.length > entry.bodyPosition)
      this.#options.bodyRead(sequence, entry.bodyPosition, read.bytes.subarray(entry.bodyPosition))
    fold.offer(sequence, entry)
    return true
  }

  #isJustAsked(sequence: number): boolean {
    const askedAt = this.#askedAt.get(sequence)
    return askedAt !== undefined && this.#options.clock.monotonic() - askedAt < askAgainMs
  }

  async #decode(key: string, start: Buffer): Promise<DecodedEntry> {
    const length = headLength(start, key)
    if (length <= start.length) return decodeEntry(start, key)
    const whole = await this.#options.store.get(key, { position: 0, length })
    return decodeEntry(whole?.bytes ?? start, key)
  }
}

function isRetriable(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreError'
}
