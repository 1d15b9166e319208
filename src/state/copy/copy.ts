import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf, UnavailableError } from '../../base/errors.js'
import { InFlight } from '../../base/in-flight.js'
import type { Random } from '../../base/random.js'
import { readIdentity } from '../ledger/identity.js'
import { clusterKey, kindOfKey, numberOfKey, type ObjectKind, writerKey, writersPrefix } from '../ledger/keys.js'
import type { OwnedRange } from '../log/ranges-by-object.js'
import { homeLedger } from '../routing.js'
import { joinByKey } from '../store/join.js'
import type { ObjectStore } from '../store/object-store.js'
import { retrying } from '../store/retrying.js'
import { type Damage, Damages } from '../verify/findings.js'
import { withoutKey } from '../verify/history.js'
import { checkFrame, checkRecords, inMemory } from '../verify/record-bytes.js'
import type { Count } from '../verify/unreferenced.js'
import type { State } from '../views/state.js'
import { CopiedLedger } from './copied-ledger.js'
import { Moment } from './moment.js'
import { CopyTarget } from './target.js'
import type { WantedObject } from './wanted.js'

/** Objects copied together, and bytes that they hold in memory; a larger object goes alone. */
const objectsAtOnce = 16
const bytesAtOnce = 64 * 1024 * 1024
/** So often what was to be copied may be gone, because it is elsewhere by now, before a copy gives up. */
const roundsMax = 20

export interface CopyOptions {
  /** Neither store repeats failed requests itself: that is done here. */
  from: ObjectStore
  to: ObjectStore
  clock: Clock
  random: Random
  signal: AbortSignal
  /** Objects and bytes copied so far. */
  onProgress?: (copied: Readonly<Count>) => void
}

export interface CopyResult {
  clusterId: string
  /**
   * The copy is the cluster as it was after these entries of its ledgers; undefined if it was an earlier attempt that
   * completed it.
   */
  lastSequences: number[] | undefined
  /** What was copied now, and what an earlier attempt had. */
  copied: Count
  present: Count
  /** What is damaged at the source, and so in the copy. */
  damages: Damage[]
  damageCount: number
}

/**
 * Copies a cluster to an empty store, as it is after some entry of its ledger (of each: see `moment.ts`), while instances
 * may go on. What is copied is the state after that entry, as a snapshot, and the objects with the records it refers to; for safety also the newest
 * snapshot of the source and all entries after it. Upkeep at the source may move records and delete what they were in:
 * then a later state is copied. `cluster.json` comes last. A copy that was broken off goes on when it is made again.
 * Undefined if there is no cluster.
 * @throws StoreError; UnavailableError if the target is not empty; CorruptObjectError if the source can't be understood
 */
export async function copyCluster(options: CopyOptions): Promise<CopyResult | undefined> {
  const { clock, random, signal } = options
  const retries = { clock, random, signal }
  const from = retrying(options.from, retries)
  const identity = await readIdentity(from)
  const cluster = await from.get(clusterKey)
  if (identity === undefined || cluster === undefined) return undefined
  const target = new CopyTarget(options.to, retries, identity.ledgers)
  const copy = new Copy(options, from, target, identity.ledgers)
  const isNew = await target.begin(identity.clusterId)
  // Otherwise an earlier attempt came to its end but for the mark.
  if (isNew) {
    await copy.run()
    await target.put(clusterKey, [cluster.bytes])
  }
  await target.finish()
  return { clusterId: identity.clusterId, ...copy.result(), ...(isNew ? {} : { lastSequences: undefined }) }
}

class Copy {
  readonly #options: CopyOptions
  readonly #from: ObjectStore
  readonly #target: CopyTarget
  readonly #ledgers: readonly CopiedLedger[]
  readonly #damages = new Damages()
  readonly #copied: Count = { objects: 0, bytes: 0 }
  readonly #present: Count = { objects: 0, bytes: 0 }
  /** Missing in the last round; and missing still when a later state was known to refer to it: lost. */
  #missed = new Set<string>()
  readonly #lost = new Set<string>()

  constructor(options: CopyOptions, from: ObjectStore, target: CopyTarget, ledgers: number) {
    this.#options = options
    this.#from = from
    this.#target = target
    const copied = { ...options, from, target }
    this.#ledgers = Array.from({ length: ledgers }, (_, number) => new CopiedLedger(number, copied))
  }

  result(): Omit<CopyResult, 'clusterId'> {
    const ofLedgers = this.#ledgers.map(({ damages }) => damages)
    return {
      lastSequences: this.#ledgers.map(({ sequence }) => sequence),
      copied: this.#copied,
      present: this.#present,
      damages: [...ofLedgers.flatMap(({ items }) => items), ...this.#damages.items],
      damageCount: ofLedgers.reduce((sum, { count }) => sum + count, this.#damages.count),
    }
  }

  async run(): Promise<void> {
    for (const ledger of this.#ledgers) await ledger.begin()
    for (let round = 1; ; round++) {
      if (round > roundsMax) throw new UnavailableError('what is to be copied goes faster than it can be copied')
      await this.#advance()
      this.#missed = await this.#copyObjects()
      if (this.#missed.size === 0) break
    }
    for (const { number, state } of this.#ledgers) await this.#copyClaims(number, state)
    await this.#check()
    for (const ledger of this.#ledgers) await ledger.copySnapshot()
  }

  /** Goes on to the state as it is now; of several ledgers to states that go together. */
  async #advance(): Promise<void> {
    await Promise.all(this.#ledgers.map((ledger) => ledger.advance()))
    if (this.#ledgers.length === 1) return
    const moment = new Moment()
    for (let round = 1; round <= roundsMax; round++) {
      const behind = moment.behind(this.#ledgers.map(({ state }) => state))
      if (behind.size === 0) return
      await Promise.all([...behind].map(([number, isEnough]) => this.#ledgers[number]?.advance(isEnough)))
    }
    throw new UnavailableError('the ledgers go on faster than a moment can be found at which to copy all of them')
  }

  #wanted(): Generator<WantedObject> {
    return inOrder(this.#ledgers.map((ledger) => ledger.wanted()))
  }

  /** Copies what is wanted and not there yet; gives what is missing at the source. */
  async #copyObjects(): Promise<Set<string>> {
    const { signal } = this.#options
    const inFlight = new InFlight(objectsAtOnce, bytesAtOnce)
    const missing = new Set<string>()
    const there = withSizes(joinByKey(this.#wanted(), this.#from.list('')))
    for await (const { key, left, right } of joinByKey(there, this.#target.objects.list(''))) {
      signal.throwIfAborted()
      if (left === undefined) continue
      const { ranges, size } = left
      if (right === undefined && size === undefined) this.#isMissing(left, missing)
      else if (right === undefined)
        await inFlight.add(size ?? 0, () => this.#copy(key, ranges, () => this.#isMissing(left, missing)))
      else if (size !== undefined && size !== right.size)
        throw new CorruptObjectError(`${key} has ${right.size} bytes in ${this.#target.url}, and ${size} at the source`)
      else if (this.#missed.size === 0) count(this.#present, right.size)
    }
    await inFlight.settled()
    return missing
  }

  #isMissing({ key, ranges }: WantedObject, missing: Set<string>): void {
    if (ranges.length === 0) this.#ledgers[this.#kindOf(key)?.ledger ?? homeLedger]?.forgetBase()
    else if (!this.#missed.has(key)) missing.add(key)
    else {
      this.#lost.add(key)
      for (const owned of ranges) this.#damaged(key, 'missing', 'it is not there', owned)
    }
  }

  async #copy(key: string, ranges: readonly OwnedRange[], isMissing: () => unknown): Promise<void> {
    let object = await this.#from.get(key)
    if (object !== undefined && (await this.#problems(key, ranges, object.bytes)).length > 0)
      // Was it the reading that failed?
      object = await this.#from.get(key)
    if (object === undefined) {
      isMissing()
      return
    }
    for (const { message, owned } of await this.#problems(key, ranges, object.bytes))
      this.#damaged(key, 'corrupt', message, owned)
    await this.#target.put(key, [object.bytes])
    count(this.#copied, object.size)
    this.#options.onProgress?.(this.#copied)
  }

  /** What is wrong with an object, and with the records in it. */
  async #problems(key: string, ranges: readonly OwnedRange[], bytes: Buffer) {
    const problems: { message: string; owned?: OwnedRange }[] = []
    const kind = this.#kindOf(key)
    try {
      if (kind !== undefined) await checkFrame(key, kind, inMemory(bytes), ranges)
    } catch (error) {
      if (!(error instanceof CorruptObjectError)) throw error
      problems.push({ message: withoutKey(messageOf(error), key) })
    }
    for await (const damaged of checkRecords(ranges, inMemory(bytes))) problems.push(damaged)
    return problems
  }

  #damaged(key: string, problem: 'missing' | 'corrupt', message: string, owned?: OwnedRange): void {
    this.#damages.add({ key, problem, message, ...(owned === undefined ? {} : placeOf(owned)) })
  }

  #kindOf(key: string): ObjectKind | undefined {
    return kindOfKey(key, this.#ledgers.length)
  }

  /** Writer numbers are never given twice, at the copy neither. */
  async #copyClaims(ledger: number, { writers }: State): Promise<void> {
    const inFlight = new InFlight(objectsAtOnce, bytesAtOnce)
    const prefix = writersPrefix(ledger)
    const unclaimed = new Set(writers.all())
    for await (const { key, left, right } of joinByKey(this.#from.list(prefix), this.#target.objects.list(prefix))) {
      unclaimed.delete(numberOfKey(key))
      if (left !== undefined && right === undefined)
        await inFlight.add(left.size, () => this.#copy(key, [], () => unclaimed.add(numberOfKey(key))))
    }
    await inFlight.settled()
    // Whose claim is gone at the source has written all the same.
    for (const writer of unclaimed)
      await this.#target.put(writerKey(ledger, writer), [Buffer.from(this.#options.random.hex(8))])
  }

  /** Looks whether all that is wanted is there, by a new listing of the target. */
  async #check(): Promise<void> {
    for await (const { key, left, right } of joinByKey(this.#wanted(), this.#target.objects.list(''))) {
      this.#options.signal.throwIfAborted()
      if (left === undefined || this.#lost.has(key)) continue
      if (right === undefined) throw new CorruptObjectError(`${key} was copied to ${this.#target.url} and is not there`)
    }
  }
}

/** What several ledgers want, in the order of a listing. */
function* inOrder(lists: readonly Generator<WantedObject>[]): Generator<WantedObject> {
  const next = lists.map((list) => list.next().value as WantedObject | undefined)
  for (;;) {
    let first: number | undefined
    for (const [i, wanted] of next.entries())
      if (wanted !== undefined && (first === undefined || wanted.key < (next[first]?.key ?? ''))) first = i
    if (first === undefined) return
    yield next[first] as WantedObject
    next[first] = lists[first]?.next().value as WantedObject | undefined
  }
}

/** Wanted objects with their size at the source; undefined if they are not there. */
async function* withSizes(joined: ReturnType<typeof joinByKey<WantedObject, { key: string; size: number }>>) {
  for await (const { key, left, right } of joined)
    if (left !== undefined) yield { key, ranges: left.ranges, size: right?.size }
}

function placeOf({ topic, log, range }: OwnedRange) {
  return { topic: topic.name, partition: log.partition, offset: range.baseOffset, endOffset: range.endOffset }
}

function count(total: Count, bytes: number): void {
  total.objects++
  total.bytes += bytes
}
