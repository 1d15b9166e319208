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
/** A look takes about so long besides the time between two, milliseconds: what is written meanwhile is asked for with it. */
const lookMs = 40

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
    this.#wakeUp?.()
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

  /** Reads entries until a place is found empty, or `isDone`. */
  async #catchUp(isDone: () => boolean, evenIfPutting: boolean): Promise<void> {
    const { fold, fence } = this.#options
    for (let window = this.#expected(); !isDone(); window = Math.min(window * 2, windowMax)) {
      const since = fence.moment()
      const first = fold.next
      const found = await Promise.all(Array.from({ length: window }, (_, i) => this.#ask(first + i, evenIfPutting)))
      const missing = found.findIndex((isThere) => isThere !== true)
      if (missing < 0) continue
      // Whoever was acknowledged before the look stands before the place that was still empty then.
      if (found[missing] === false) this.confirmed(since)
      return
    }
  }

  /** As many entries as others will have written since the last look, going by what they wrote lately, and one more. */
  #expected(): number {
    const { clock, pollIntervalMs } = this.#options
    const perMs = this.#foreign.perSecond(clock.monotonic()) / 1_000
    return Math.min(windowMax, 1 + Math.ceil(perMs * (pollIntervalMs + lookMs)))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopWatching?.()
    this.wake()
    await this.#loop
  }

  async #follow(): Promise<void> {
    const { fold, log, isPutting } = this.#options
    let failures = 0
    while (!this.#closed) {
      const wakes = this.#wakes
      this.#lastLookAt = this.#options.clock.monotonic()
      try {
        if (!isPutting(fold.next)) await this.#catchUp(() => this.#closed, false)
        if (failures > 0) log.info({ failures }, 'the ledger can be followed again')
        failures = 0
      } catch (error) {
        if (!isRetriable(error)) throw error
        failures++
        if (failures === 1) log.warn({ error: messageOf(error) }, 'the ledger cannot be followed')
      }
      do await this.#sleep(wakes === this.#wakes ? this.#pause(failures) : 0)
      while (wakes === this.#wakes && failures === 0 && this.#mayRest())
    }
  }

  #pause(failures: number): number {
    const { pollIntervalMs } = this.#options
    if (failures > 0) return Math.min(50 * 2 ** Math.min(failures, 10), 1_000)
    return this.#isHot() ? pollIntervalMs : Math.min(pollIntervalMs * idleFactor, idlePollMsMax)
  }

  #isHot(): boolean {
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
  async #ask(sequence: number, evenIfPutting: boolean): Promise<boolean | undefined> {
    const { fold, isPutting, store, ledger } = this.#options
    if (fold.has(sequence)) return true
    if (!evenIfPutting && isPutting(sequence)) return undefined
    const key = entryKey(ledger, sequence)
    const read = await store.get(key, { position: 0, length: firstReadBytes })
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
