import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf, StoreError, UnavailableError } from '../../base/errors.js'
import { partsPendingMax } from '../ledger/committer.js'
import type { DecodedEntry } from '../ledger/entry.js'
import { Fold } from '../ledger/fold.js'
import { entriesFolder, entryKey, numberOfKey, snapshotKey } from '../ledger/keys.js'
import { noLedgerObserver } from '../ledger/observer.js'
import { snapshotKeys, unwrittenMax } from '../ledger/snapshot.js'
import { decodeSnapshot, encodeSnapshot } from '../ledger/snapshot-bytes.js'
import { readStoredEntry, type StoredEntry } from '../ledger/stored-entry.js'
import type { ObjectStore } from '../store/object-store.js'
import { emptyState, type State } from '../views/state.js'
import type { Damages } from './findings.js'
import { Times } from './times.js'

/** Entries read at once. */
const windowMax = 32
/** An entry may be missing because it is just being written while the one after it is there: looks, and time between them. */
const looksMax = 15
const lookMs = 200
/** What one process wrote within more than this, milliseconds, did not wait all the time for one put: it had ended before. */
const putMsMax = 15 * 60_000

export interface HistoryOptions {
  store: ObjectStore
  clock: Clock
  ledger: number
  damages: Damages
  signal: AbortSignal
  /** An entry was applied. */
  onEntry?: (entries: number) => void
}

/**
 * Replays the ledger from its beginning as far as it is still there, without changing anything, and checks it on the
 * way: each entry, that none is missing, and that every snapshot is, byte for byte, what the entries before it come to.
 * Where it can't go on it goes on from the next snapshot.
 */
export class History {
  readonly #options: HistoryOptions
  readonly #checked = new Set<number>()
  #fold: Fold
  #snapshots: number[] = []
  #voids = 0
  /** Entries applied since the beginning. */
  entries = 0
  /** The entry after which this began: of the snapshot that it began with, 0 if none. */
  base = 0
  /** Entries beyond the first free place: never part of the ledger, unless that place is filled. */
  unordered = 0
  /** Which position of the state was reached when. */
  readonly times = new Times()

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#fold = this.#foldFrom(emptyState(), 1)
  }

  /** As it is after the entry `sequence`. Changed by `advance` alone. */
  get state(): State {
    return this.#fold.state
  }

  get sequence(): number {
    return this.#fold.next - 1
  }

  get voidParts(): number {
    return this.#voids
  }

  /** The entries after which there is a snapshot, as of the last look; oldest first. */
  get snapshots(): readonly number[] {
    return this.#snapshots
  }

  /** Begins with the newest snapshot that can be read, instead of the oldest entry. */
  async skipToNewest(): Promise<void> {
    await this.#listSnapshots()
    for (const sequence of [...this.#snapshots].reverse()) if (await this.#beginAfter(sequence)) return
  }

  /**
   * Applies all that there is, or until `isEnough`. What is wrong is added to the damages.
   * @throws StoreError; UnavailableError if a newer version wrote there
   */
  async advance(isEnough: () => boolean = () => false): Promise<void> {
    const { ledger, signal, store } = this.#options
    await this.#listSnapshots()
    for (let window = 1; ; window = Math.min(window * 2, windowMax)) {
      signal.throwIfAborted()
      const first = this.#fold.next
      const reads = await Promise.all(
        Array.from({ length: window }, (_, i) => settled(readStoredEntry(store, entryKey(ledger, first + i)))),
      )
      for (const [i, read] of reads.entries()) {
        const sequence = first + i
        if (read === undefined && !(await this.#passHole(sequence))) return
        if (read instanceof CorruptObjectError) {
          this.#isDamaged(sequence, 'corrupt', read.message)
          if (!(await this.#beginAtOrAfter(sequence))) return
        } else if (read !== undefined && !(await this.#apply(sequence, read))) return
        if (isEnough()) return
        // What was read ahead is not what comes next.
        if (this.#fold.next !== sequence + 1) break
      }
    }
  }

  /** Reads the snapshots that the entries did not come by. */
  async checkOtherSnapshots(): Promise<void> {
    await this.#listSnapshots()
    for (const sequence of this.#snapshots) if (!this.#checked.has(sequence)) await this.#read(sequence)
  }

  #foldFrom(state: State, next: number): Fold {
    const observer = { ...noLedgerObserver, partVoid: () => this.#voids++ }
    return new Fold(state, next, { observer, listener: { partApplied() {}, entryApplied() {} }, writer: 0 })
  }

  /** Whether it can go on. */
  async #apply(sequence: number, { entry, size }: StoredEntry): Promise<boolean> {
    let inlineBytes = 0
    for (const part of entry.parts) if (part.lanePosition === 0) inlineBytes += part.bodyLength
    if (size !== entry.bodyPosition + inlineBytes)
      this.#isDamaged(
        sequence,
        'corrupt',
        `it has ${size} bytes, and by its header ${entry.bodyPosition + inlineBytes}`,
      )
    try {
      this.#fold.offer(sequence, entry)
    } catch (error) {
      // A newer version's command: nothing is wrong with it.
      if (error instanceof UnavailableError) throw error
      this.#isDamaged(sequence, 'corrupt', `it can't be applied: ${messageOf(error)}`)
      return this.#beginAtOrAfter(sequence)
    }
    this.entries++
    this.times.note(this.state.position, entry.parts[0]?.timeMs)
    this.#options.onEntry?.(this.entries)
    if (this.#snapshots.includes(sequence)) await this.#compare(sequence)
    return true
  }

  /** A place is empty. Whether it can go on, there or later; if not, that place is the end. */
  async #passHole(sequence: number): Promise<boolean> {
    const { store, ledger, clock, signal } = this.#options
    const key = entryKey(ledger, sequence)
    for (let look = 1; ; look++) {
      await this.#listSnapshots()
      // The order below the oldest snapshot is not needed any more: entries go when nothing refers to them.
      if (sequence <= (this.#snapshots[0] ?? 0)) return this.#beginAtOrAfter(sequence)
      const isSnapshotBeyond = sequence <= (this.#snapshots.at(-1) ?? 0)
      const next = await this.#firstAfter(sequence)
      if (next === undefined && !isSnapshotBeyond) {
        this.unordered = 0
        return false
      }
      if ((await store.get(key, { position: 0, length: 1 })) !== undefined) return true
      if (isSnapshotBeyond || look === looksMax) {
        if (!isSnapshotBeyond && !(await this.#isLost(sequence))) return false
        const last = Math.min(
          (next ?? Number.POSITIVE_INFINITY) - 1,
          this.#snapshots.at(-1) ?? Number.POSITIVE_INFINITY,
        )
        const more = last > sequence ? `, and so are all to entry ${last}` : ''
        this.#isDamaged(sequence, 'missing', `the entry is not there${more}, though what comes after it is`)
        return this.#beginAtOrAfter(sequence)
      }
      await clock.sleep(lookMs, signal)
      signal.throwIfAborted()
    }
  }

  /**
   * Whether an entry after the last snapshot must have been there. Otherwise it may never have been: several puts of one
   * process are under way at once, it dies, and a later one is in the store and an earlier one is not. Nothing after
   * such a place was acknowledged. But there is a limit to how far a process goes on.
   */
  async #isLost(sequence: number): Promise<boolean> {
    const { store, ledger } = this.#options
    const writers = new Map<number, { indexes: Set<number>; firstMs: number; lastMs: number }>()
    this.unordered = 0
    for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { after: entryKey(ledger, sequence) })) {
      this.unordered++
      if (numberOfKey(key) - sequence > unwrittenMax) return true
      const read = await settled(readStoredEntry(store, key))
      if (read === undefined || read instanceof CorruptObjectError) continue
      for (const part of ownParts(read.entry)) {
        const known = writers.get(part.writer) ?? { indexes: new Set(), firstMs: part.timeMs, lastMs: part.timeMs }
        writers.set(part.writer, known)
        known.indexes.add(part.index)
        known.lastMs = part.timeMs
        if (known.indexes.size > partsPendingMax || known.lastMs - known.firstMs > putMsMax) return true
      }
    }
    return false
  }

  async #firstAfter(sequence: number): Promise<number | undefined> {
    const { store, ledger } = this.#options
    const after = entryKey(ledger, sequence)
    for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { after, limit: 1 })) return numberOfKey(key)
    return undefined
  }

  async #listSnapshots(): Promise<void> {
    const { store, ledger } = this.#options
    this.#snapshots = (await snapshotKeys(store, ledger)).map(numberOfKey)
  }

  async #beginAtOrAfter(sequence: number): Promise<boolean> {
    await this.#listSnapshots()
    for (const snapshot of this.#snapshots) if (snapshot >= sequence && (await this.#beginAfter(snapshot))) return true
    return false
  }

  async #beginAfter(snapshot: number): Promise<boolean> {
    const read = await this.#read(snapshot)
    if (read === undefined) return false
    this.#fold = this.#foldFrom(read.state, snapshot + 1)
    this.base = snapshot
    return true
  }

  /** A snapshot, unless it is gone or damaged. */
  async #read(sequence: number): Promise<{ bytes: Buffer; state: State } | undefined> {
    const { store, ledger, damages } = this.#options
    const key = snapshotKey(ledger, sequence)
    const isNew = !this.#checked.has(sequence)
    this.#checked.add(sequence)
    // Of more than a few snapshots the older ones are deleted at any time.
    const object = await store.get(key)
    if (object === undefined) return undefined
    try {
      const decoded = decodeSnapshot(object.bytes, key)
      if (decoded.sequence === sequence) return { bytes: object.bytes, state: decoded.state }
      if (isNew) damages.add({ key, problem: 'corrupt', message: `it is one after entry ${decoded.sequence}` })
    } catch (error) {
      if (error instanceof StoreError) throw error
      if (isNew) damages.add({ key, problem: 'corrupt', message: withoutKey(messageOf(error), key) })
    }
    return undefined
  }

  /** Compares a snapshot with what the entries have come to. */
  async #compare(sequence: number): Promise<void> {
    const { clock, ledger, damages } = this.#options
    const read = await this.#read(sequence)
    if (read === undefined) return
    const own = Buffer.concat((await encodeSnapshot(this.state, sequence, clock)).pieces)
    if (own.equals(read.bytes)) return
    // Another version may write the same state differently.
    const again = Buffer.concat((await encodeSnapshot(read.state, sequence, clock)).pieces)
    if (!own.equals(again))
      damages.add({
        key: snapshotKey(ledger, sequence),
        problem: 'contradiction',
        message: `it holds another state than the entries up to ${sequence} come to`,
      })
  }

  #isDamaged(sequence: number, problem: 'missing' | 'corrupt', message: string): void {
    const key = entryKey(this.#options.ledger, sequence)
    this.#options.damages.add({ key, problem, message: withoutKey(message, key) })
  }
}

/** The parts of who put the entry together, which it had not found in a lane. */
function ownParts(entry: DecodedEntry) {
  return entry.parts.filter((part) => part.writer === entry.writer)
}

/** An error that says that the object is damaged is a result. */
async function settled<Result>(reading: Promise<Result>): Promise<Result | CorruptObjectError> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof CorruptObjectError) return error
    throw error
  }
}

/** Messages of errors begin with the key, which the damage names anyway. */
export function withoutKey(message: string, key: string): string {
  return message.startsWith(key) ? message.slice(key.length).replace(/^:? /, '') : message
}
