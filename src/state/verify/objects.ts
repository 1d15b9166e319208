import { CorruptObjectError, messageOf } from '../../base/errors.js'
import { InFlight } from '../../base/in-flight.js'
import { kindOfKey, type ObjectKind, objectKey, writerKey } from '../ledger/keys.js'
import { type HeldRanges, type OwnedRange, RangesByObject } from '../log/ranges-by-object.js'
import { homeLedger } from '../routing.js'
import { joinByKey } from '../store/join.js'
import type { ObjectStore, StoredObject } from '../store/object-store.js'
import type { Damages } from './findings.js'
import { type History, withoutKey } from './history.js'
import { checkFrame, checkRecords, cutOff, inMemory, type ObjectBytes } from './record-bytes.js'
import type { Unreferenced } from './unreferenced.js'

/** Objects looked at together, and bytes that they hold in memory. */
const objectsAtOnce = 16
const bytesAtOnce = 64 * 1024 * 1024
/** Objects up to this size are read with one request; of larger ones, which are segments, what is wanted. */
const wholeBytesMax = 8 * 1024 * 1024
/** What is read of an object at once at most, or of one that is only looked at. */
const pieceBytes = 4 * 1024 * 1024
const glanceBytes = 64 * 1024
/** Suspects that are kept; with so many they are judged before more are looked for. */
const suspectsMax = 1_000
/** So often the state may move on under a suspect before it is left alone: others are at work there. */
const roundsMax = 10

export interface ObjectCheckOptions {
  store: ObjectStore
  /** Its number, and how many there are: objects that are another ledger's are left to that. */
  ledger: number
  ledgers: number
  history: History
  damages: Damages
  unreferenced: Unreferenced
  /** Look at the heads of objects only, not at the records. */
  isQuick: boolean
  signal: AbortSignal
  onObject?: (objects: number, bytes: number) => void
}

/** Records that can't be read, as it seems: what they are in may have been deleted because they are elsewhere now. */
interface Suspect {
  key: string
  owned: OwnedRange
  message: string
}

/**
 * Goes through the objects that there are and those that the state refers to, side by side. An object that is missing
 * is missing only if the state, brought up to date after that was seen, still refers to it: while instances run, they
 * move records and delete what they were in.
 */
export class ObjectCheck {
  readonly #options: ObjectCheckOptions
  readonly #suspects: Suspect[] = []
  objects = 0
  bytes = 0
  /** Ranges, and bytes of records, that were looked at. */
  ranges = 0
  recordBytes = 0

  constructor(options: ObjectCheckOptions) {
    this.#options = options
  }

  /** @throws StoreError */
  async run(): Promise<void> {
    const { store, history, ledger, ledgers, unreferenced, signal } = this.#options
    const claims = new Set(history.state.writers.all())
    for (let after: string | undefined = ''; after !== undefined; ) {
      const inFlight = new InFlight(objectsAtOnce, bytesAtOnce)
      const { state } = history
      const references = new RangesByObject(state, ledger).objects(after)
      let last: string | undefined
      for await (const { key, left, right } of joinByKey(store.list('', { after }), references)) {
        signal.throwIfAborted()
        const kind = kindOfKey(key, ledgers)
        // What is nobody's is looked at with the home ledger.
        if ((kind?.ledger ?? homeLedger) !== ledger) continue
        if (left !== undefined) this.#count(left.size)
        if (kind?.kind === 'writer') claims.delete(kind.number)
        if (left !== undefined && right === undefined) unreferenced.add(key, left.size, kind, state)
        if (left === undefined && right !== undefined) this.#suspectAll(right.ranges, 'it is not there')
        const isGarbage = right === undefined && !(kind?.kind === 'entry' && !unreferenced.isCollectable(kind.number))
        if (left !== undefined && kind !== undefined && !isGarbage)
          await inFlight.add(this.#memoryFor(left.size), () => this.#check(kind, left.key, left.size, right))
        if (this.#suspects.length < suspectsMax) continue
        last = key
        break
      }
      await inFlight.settled()
      await this.#judge()
      after = last
    }
    await this.#judgeClaims(claims)
  }

  async #judgeClaims(missing: ReadonlySet<number>): Promise<void> {
    const { history, damages, ledger } = this.#options
    if (missing.size > 0) await history.advance()
    for (const writer of history.state.writers.all())
      if (missing.has(writer))
        damages.add({
          key: writerKey(ledger, writer),
          problem: 'missing',
          message: 'it is not there, though that writer has written: another process might claim its number',
        })
  }

  #count(size: number): void {
    this.objects++
    this.bytes += size
    this.#options.onObject?.(this.objects, this.bytes)
  }

  #memoryFor(size: number): number {
    if (this.#options.isQuick) return Math.min(size, glanceBytes)
    return size <= wholeBytesMax ? size : pieceBytes
  }

  async #check(kind: ObjectKind, key: string, size: number, held: HeldRanges | undefined): Promise<void> {
    const { isQuick, history } = this.#options
    const ranges = held?.ranges ?? []
    // The head of an entry that was applied has been looked at.
    const isRead = kind.kind === 'entry' && kind.number > history.base
    if (isRead && (isQuick || ranges.length === 0)) {
      for (const { owned, message } of cutOff(ranges, size)) this.#suspect(owned, message)
      this.#checked(ranges)
      return
    }
    try {
      const bytes = await this.#open(key, size)
      if (!isRead) await this.#checkFrame(key, kind, bytes, ranges)
      const damaged = isQuick ? cutOff(ranges, size) : checkRecords(ranges, bytes)
      for await (const { owned, message } of damaged) this.#suspect(owned, message)
      this.#checked(ranges)
    } catch (error) {
      if (!(error instanceof CorruptObjectError)) throw error
      if (error.isMissing) return this.#suspectAll(ranges, 'it is not there')
      // A journal knows by itself that an object in it is not what was written, and does not give it.
      const message = withoutKey(messageOf(error), key)
      this.#options.damages.add({ key, problem: 'corrupt', message })
      this.#suspectAll(ranges, message)
    }
  }

  #checked(ranges: readonly OwnedRange[]): void {
    this.ranges += ranges.length
    for (const { range } of ranges) this.recordBytes += range.length
  }

  async #checkFrame(key: string, kind: ObjectKind, bytes: ObjectBytes, ranges: readonly OwnedRange[]): Promise<void> {
    try {
      await checkFrame(key, kind, bytes, ranges)
    } catch (error) {
      if (!(error instanceof CorruptObjectError) || error.isMissing) throw error
      this.#options.damages.add({ key, problem: 'corrupt', message: withoutKey(messageOf(error), key) })
    }
  }

  /** An object in memory, if it is to be read as a whole and is not too large for that. */
  async #open(key: string, size: number): Promise<ObjectBytes> {
    const { store, isQuick } = this.#options
    const missing = () => new CorruptObjectError(`${key} is not there`, { isMissing: true })
    if (!isQuick && size <= wholeBytesMax) {
      const object = await store.get(key)
      if (object === undefined) throw missing()
      return inMemory(object.bytes)
    }
    const read: ObjectBytes['read'] = async (range) => {
      const object = await store.get(key, range)
      if (object === undefined) throw missing()
      return object.bytes
    }
    return { size, read }
  }

  #suspectAll(ranges: readonly OwnedRange[], message: string): void {
    for (const owned of ranges) this.#suspect(owned, message)
  }

  #suspect(owned: OwnedRange, message: string): void {
    const { log, range } = owned
    const key = objectKey(this.#options.ledger, log.topicId, log.partition, range)
    this.#suspects.push({ key, owned, message })
  }

  /** Looks again at what is suspect, as it is by all that has been written meanwhile. */
  async #judge(): Promise<void> {
    const { history, signal } = this.#options
    for (let round = 1; this.#suspects.length > 0 && round <= roundsMax; round++) {
      signal.throwIfAborted()
      const suspects = this.#suspects.splice(0).sort(bySuspect)
      await history.advance()
      for (const { owned, message } of suspects)
        for (const current of this.#nowOf(owned)) {
          if (isSamePlace(current, owned)) await this.#confirm(current, message)
          else await this.#lookAgain(current)
        }
    }
    this.#suspects.splice(0)
  }

  /** Where the records of a range are now; nowhere if they or their topic were deleted. */
  *#nowOf({ topic, log, range }: OwnedRange): Generator<OwnedRange> {
    const { state } = this.#options.history
    const now = state.partitions.get(log.topicId, log.partition)
    if (now === undefined) return
    for (let index = now.ranges.find(range.baseOffset); index < now.ranges.length; index++) {
      const current = now.ranges.at(index)
      if (current.baseOffset >= range.endOffset) return
      yield { topic: state.topics.byId(log.topicId) ?? topic, log: now, range: current }
    }
  }

  /** It is where it was: then it is damaged, unless it can be read after all. */
  async #confirm(owned: OwnedRange, message: string): Promise<void> {
    const { ledger, damages } = this.#options
    const { topic, log, range } = owned
    const key = objectKey(ledger, log.topicId, log.partition, range)
    const object = await this.#glance(key, range.position + range.length - 1)
    const isMissing = object === undefined
    const isReadable = object !== undefined && object !== 'damaged' && object.bytes.length === 1
    if (isReadable && !(await this.#isStillWrong(key, owned, object.size))) return
    const { partition } = log
    const offset = Math.max(range.baseOffset, log.logStartOffset)
    const where = { topic: topic.name, partition, offset, endOffset: range.endOffset }
    damages.add({ key, problem: isMissing ? 'missing' : 'corrupt', message, ...where })
  }

  async #isStillWrong(key: string, owned: OwnedRange, size: number): Promise<boolean> {
    const read: ObjectBytes['read'] = async (range) => {
      const object = await this.#options.store.get(key, range)
      if (object === undefined) throw new CorruptObjectError(`${key} is not there`, { isMissing: true })
      return object.bytes
    }
    try {
      const isWhole = owned.range.position + owned.range.length <= size
      if (this.#options.isQuick) return !isWhole
      for await (const _ of checkRecords([owned], { size, read })) return true
      return false
    } catch (error) {
      if (error instanceof CorruptObjectError) return true
      throw error
    }
  }

  /** The byte at a position of an object, and the object's size; whether the store itself says that it is damaged. */
  async #glance(key: string, position: number): Promise<StoredObject | 'damaged' | undefined> {
    try {
      return await this.#options.store.get(key, { position, length: 1 })
    } catch (error) {
      if (error instanceof CorruptObjectError) return 'damaged'
      throw error
    }
  }

  /** The records have been moved: are they there? */
  async #lookAgain(owned: OwnedRange): Promise<void> {
    const { ledger, isQuick } = this.#options
    const { log, range } = owned
    const key = objectKey(ledger, log.topicId, log.partition, range)
    const object = await this.#glance(key, range.position)
    if (object === undefined) return this.#suspect(owned, 'it is not there')
    if (object === 'damaged') return this.#suspect(owned, 'its records are damaged')
    if (isQuick) for (const { message } of cutOff([owned], object.size)) this.#suspect(owned, message)
    else if (await this.#isStillWrong(key, owned, object.size)) this.#suspect(owned, 'its records are damaged')
  }
}

function isSamePlace({ range: a }: OwnedRange, { range: b }: OwnedRange): boolean {
  return a.writer === b.writer && a.number === b.number && a.position === b.position && a.length === b.length
}

/** So that records which follow each other are told of together. */
function bySuspect(a: Suspect, b: Suspect): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  if (a.owned.topic !== b.owned.topic) return a.owned.topic.name < b.owned.topic.name ? -1 : 1
  return a.owned.log.partition - b.owned.log.partition || a.owned.range.baseOffset - b.owned.range.baseOffset
}
