import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { ObjectStore } from '../store/object-store.js'
import type { State } from '../views/state.js'
import { decodeEntry, headLength, type Part } from './entry.js'
import { laneFolder, laneKey, writerKey } from './keys.js'
import { Rate } from './rate.js'

/** The first read of a lane's object asks for so many bytes: its head, and its body too if it is small. */
const firstReadBytes = 64 * 1024
/** Places of one lane asked for at once, at most; as many as its writer fills in so long, milliseconds, and one more. */
const aheadMax = 8
const aheadMs = 50
/** A lane that gave something lately is looked at this often, another one once a second, milliseconds. */
const hotMs = 15
const hotForMs = 2_000
const coldMs = 1_000
/** Who begins to look is about to be left parts by those it won places from: for so long it looks this often, milliseconds. */
const freshForMs = 1_000
const freshMs = 50
/** New writers are looked for this often, milliseconds. */
const writersMs = 500
/**
 * A writer that wrote nothing for so long, by its own clock, is looked at this seldom only, and in the end not at all:
 * it must speak up itself. Milliseconds.
 */
const silentMs = 60 * 60_000
const silentLookMs = 30_000
const goneMs = 24 * 60 * 60_000
/** Writers numbered just below this one that may be there without having written yet. */
const youngWriters = 16

export interface LanesOptions {
  store: ObjectStore
  clock: Clock
  log: Log
  ledger: number
  writer: number
  state: State
  /** Whether this instance is to look for what waits in the lanes: it is the sequencer, or about to be. */
  isWanted(): boolean
  /** Something was found. */
  onFound(): void
  /** Bytes of a part's body that came with its head. */
  bodyRead(part: Part, body: Buffer): void
}

interface Lane {
  /** Parts found and not yet effective, by index. */
  found: Map<number, Part>
  /** Places being asked for. */
  asking: Set<number>
  /** The index of the last effective part that was seen here, in a lane or not: who has written goes on. */
  seenIndex: number
  lastFoundAt: number
  lastAskedAt: number
  /** Parts found. */
  rate: Rate
  /** When this instance came to know it, by its own wall clock. */
  knownSinceMs: number
  /** While it is hot, and the store tells what is created in it. */
  stopWatching: (() => void) | undefined
}

/**
 * The sequencer's view of the lanes, in which the other writers leave their parts: nobody competes there, and nobody
 * has to be told. It looks a few places ahead, often where there is traffic, seldom where there is none.
 */
export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<number, Lane>()
  /** The highest writer number known to be claimed. */
  #lastWriter: number
  #lastWriterAskedAt = Number.NEGATIVE_INFINITY
  #isAskingForWriter = false
  #isLooking = false
  #freshUntil = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: LanesOptions) {
    this.#options = options
    this.#lastWriter = options.writer
    for (let young = Math.max(1, options.writer - youngWriters); young < options.writer; young++) this.#add(young)
    for (const writer of options.state.writers.all()) this.noteWriter(writer)
  }

  /** It may be wanted now: an entry of ours took effect. Looks now and then, until it is not wanted any more. */
  wake(): void {
    if (this.#isLooking) return
    this.#freshUntil = this.#options.clock.monotonic() + freshForMs
    this.#lookOn()
  }

  #lookOn(): void {
    this.#isLooking = !this.#isClosed && this.#options.isWanted()
    if (!this.#isLooking) {
      for (const lane of this.#lanes.values()) unwatch(lane)
      return
    }
    this.#look()
    this.#options.clock.after(hotMs, () => this.#lookOn())
  }

  close(): void {
    this.#isClosed = true
    for (const lane of this.#lanes.values()) unwatch(lane)
  }

  /** A writer is there, and so are those numbered below it: numbers are given in their order. Each has a lane. */
  noteWriter(writer: number): void {
    if (writer !== this.#options.writer && !this.#lanes.has(writer)) this.#add(writer)
    while (this.#lastWriter < writer) {
      this.#lastWriter++
      if (!this.#lanes.has(this.#lastWriter)) this.#add(this.#lastWriter)
    }
  }

  /** Whether there may be parts that wait. */
  get hasFound(): boolean {
    for (const { found } of this.#lanes.values()) if (found.size > 0) return true
    return false
  }

  /** The parts that may take effect next, writer by writer in their order. */
  waiting(): Part[] {
    const parts: Part[] = []
    const { writers } = this.#options.state
    for (const [writer, { found }] of this.#lanes) {
      if (writers.isForgotten(writer)) continue
      const last = writers.lastIndex(writer)
      for (const index of found.keys()) if (index <= last) found.delete(index)
      for (let index = last + 1; ; index++) {
        const part = found.get(index)
        if (part === undefined) break
        parts.push(part)
      }
    }
    return parts
  }

  /** With each that comes, those that are gone go: also where nobody looks into the lanes. */
  #add(writer: number): void {
    const { writers } = this.#options.state
    for (const known of this.#lanes.keys())
      if (writers.isRetired(known) || writers.isForgotten(known)) this.#remove(known)
    const never = Number.NEGATIVE_INFINITY
    this.#lanes.set(writer, {
      found: new Map(),
      asking: new Set(),
      seenIndex: writers.lastIndex(writer),
      lastFoundAt: never,
      lastAskedAt: never,
      rate: new Rate(),
      knownSinceMs: this.#options.clock.now(),
      stopWatching: undefined,
    })
  }

  #remove(writer: number): void {
    const lane = this.#lanes.get(writer)
    if (lane !== undefined) unwatch(lane)
    this.#lanes.delete(writer)
  }

  #look(): void {
    const { clock, state } = this.#options
    const now = clock.monotonic()
    if (now - this.#lastWriterAskedAt >= writersMs) this.#askForWriter(now)
    for (const [writer, lane] of this.#lanes) {
      const { writers } = state
      const silenceMs = clock.now() - (writers.lastTimeMs(writer) ?? lane.knownSinceMs)
      if (writers.isRetired(writer) || writers.isForgotten(writer) || silenceMs > goneMs) {
        this.#remove(writer)
        continue
      }
      const lastIndex = state.writers.lastIndex(writer)
      if (lastIndex > lane.seenIndex) {
        lane.seenIndex = lastIndex
        lane.lastFoundAt = now
      }
      const isHot = now - lane.lastFoundAt < hotForMs
      if (isHot) this.#watch(writer, lane)
      else unwatch(lane)
      const coldForMs = silenceMs > silentMs ? silentLookMs : now < this.#freshUntil ? freshMs : coldMs
      if (!isHot && now - lane.lastAskedAt < coldForMs) continue
      lane.lastAskedAt = now
      const ahead = Math.min(aheadMax, 1 + Math.ceil((lane.rate.perSecond(now) * aheadMs) / 1_000))
      this.#askNext(writer, lane, ahead)
    }
  }

  /** Has what is left in a lane found at once, where the store can tell of it, rather than at the next look. */
  #watch(writer: number, lane: Lane): void {
    lane.stopWatching ??= this.#options.store.watch?.(laneFolder(this.#options.ledger, writer), () => {
      if (this.#options.isWanted()) this.#askNext(writer, lane, 1)
    })
  }

  /** Asks for so many places after those that are known. */
  #askNext(writer: number, lane: Lane, count: number): void {
    let next = this.#options.state.writers.lastIndex(writer) + 1
    while (lane.found.has(next)) next++
    for (let index = next; index < next + count; index++) this.#ask(writer, lane, index)
  }

  #ask(writer: number, lane: Lane, index: number): void {
    if (lane.asking.has(index) || lane.found.has(index)) return
    lane.asking.add(index)
    this.#read(writer, index)
      .then((part) => {
        if (part === undefined || index <= this.#options.state.writers.lastIndex(writer)) return
        lane.found.set(index, part)
        lane.lastFoundAt = this.#options.clock.monotonic()
        lane.rate.count(lane.lastFoundAt)
        this.#options.onFound()
        // Where one is there may be more.
        if (this.#options.isWanted()) this.#ask(writer, lane, index + 1)
      })
      .catch((error: unknown) => this.#complain(error))
      .finally(() => lane.asking.delete(index))
  }

  async #read(writer: number, index: number): Promise<Part | undefined> {
    const { store, ledger } = this.#options
    const key = laneKey(ledger, writer, index)
    const start = await store.get(key, { position: 0, length: firstReadBytes })
    if (start === undefined) return undefined
    const length = headLength(start.bytes, key)
    const read = length <= start.bytes.length ? start : await store.get(key, { position: 0, length })
    const { parts, bodyPosition } = decodeEntry(read?.bytes ?? start.bytes, key)
    const [part] = parts
    if (parts.length !== 1 || part === undefined || part.writer !== writer || part.index !== index)
      throw new CorruptObjectError(`${key} holds another part than its name says`)
    const carried = { ...part, lanePosition: bodyPosition }
    if (start.bytes.length > bodyPosition) this.#options.bodyRead(carried, start.bytes.subarray(bodyPosition))
    return carried
  }

  #askForWriter(now: number): void {
    if (this.#isAskingForWriter) return
    this.#isAskingForWriter = true
    this.#lastWriterAskedAt = now
    const { store, ledger } = this.#options
    const next = this.#lastWriter + 1
    store
      .get(writerKey(ledger, next))
      .then((claim) => {
        if (claim === undefined) return
        this.noteWriter(next)
        // Several may have come since the last look.
        this.#lastWriterAskedAt = Number.NEGATIVE_INFINITY
      })
      .catch((error: unknown) => this.#complain(error))
      .finally(() => {
        this.#isAskingForWriter = false
      })
  }

  /** A lane that can't be read is looked at again later; its owner takes over if it has to wait too long. */
  #complain(error: unknown): void {
    const { log } = this.#options
    if (error instanceof CorruptObjectError) log.error({ error: error.message }, 'a lane holds what it should not')
    else log.debug({ error: messageOf(error) }, 'a lane cannot be read')
  }
}

function unwatch(lane: Lane): void {
  lane.stopWatching?.()
  lane.stopWatching = undefined
}
