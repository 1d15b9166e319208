import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf, UnavailableError } from '../../base/errors.js'
import { InFlight } from '../../base/in-flight.js'
import type { Random } from '../../base/random.js'
import { readIdentity } from '../ledger/identity.js'
import {
  clusterKey,
  entriesFolder,
  kindOfKey,
  numberOfKey,
  snapshotKey,
  writerKey,
  writersPrefix,
} from '../ledger/keys.js'
import { encodeSnapshot } from '../ledger/snapshot-bytes.js'
import type { OwnedRange } from '../log/ranges-by-object.js'
import { joinByKey } from '../store/join.js'
import type { ObjectStore } from '../store/object-store.js'
import { retrying } from '../store/retrying.js'
import { type Damage, Damages } from '../verify/findings.js'
import { History, withoutKey } from '../verify/history.js'
import { checkFrame, checkRecords, inMemory } from '../verify/record-bytes.js'
import type { Count } from '../verify/unreferenced.js'
import { CopyTarget } from './target.js'
import { type WantedObject, wantedObjects } from './wanted.js'

/** The ledger, until there are several. */
const ledger = 0
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
  /** The copy is the cluster as it was after this entry; undefined if it was an earlier attempt that completed it. */
  lastSequence: number | undefined
  /** What was copied now, and what an earlier attempt had. */
  copied: Count
  present: Count
  /** What is damaged at the source, and so in the copy. */
  damages: Damage[]
  damageCount: number
}

/**
 * Copies a cluster to an empty store, as it is after some entry of its ledger, while instances may go on. What is copied
 * is the state after that entry, as a snapshot, and the objects with the records it refers to; for safety also the newest
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
  const target = new CopyTarget(options.to, retries)
  const copy = new Copy(options, from, target)
  const isNew = await target.begin(identity.clusterId)
  // Otherwise an earlier attempt came to its end but for the mark.
  if (isNew) {
    await copy.run()
    await target.put(clusterKey, [cluster.bytes])
  }
  await target.finish()
  return { clusterId: identity.clusterId, ...copy.result(), ...(isNew ? {} : { lastSequence: undefined }) }
}

class Copy {
  readonly #options: CopyOptions
  readonly #from: ObjectStore
  readonly #target: CopyTarget
  readonly #history: History
  readonly #ledgerDamages = new Damages()
  readonly #damages = new Damages()
  readonly #copied: Count = { objects: 0, bytes: 0 }
  readonly #present: Count = { objects: 0, bytes: 0 }
  /** Missing in the last round; and missing still when a later state was known to refer to it: lost. */
  #missed = new Set<string>()
  readonly #lost = new Set<string>()
  /** The snapshot of the source that the history began with; undefined if the entries after it are not all there. */
  #base: number | undefined

  constructor(options: CopyOptions, from: ObjectStore, target: CopyTarget) {
    const { clock, signal } = options
    this.#options = options
    this.#from = from
    this.#target = target
    this.#history = new History({ store: from, clock, ledger, damages: this.#ledgerDamages, signal })
  }

  result(): Omit<CopyResult, 'clusterId'> {
    return {
      lastSequence: this.#history.sequence,
      copied: this.#copied,
      present: this.#present,
      damages: [...this.#ledgerDamages.items, ...this.#damages.items],
      damageCount: this.#ledgerDamages.count + this.#damages.count,
    }
  }

  async run(): Promise<void> {
    await this.#history.skipToNewest()
    this.#base = this.#history.base
    await this.#copyBase()
    for (let round = 1; ; round++) {
      if (round > roundsMax) throw new UnavailableError('what is to be copied goes faster than it can be copied')
      await this.#advance()
      this.#missed = await this.#copyObjects()
      if (this.#missed.size === 0) break
    }
    await this.#copyClaims()
    await this.#check()
    await this.#copySnapshot()
  }

  async #copyBase(): Promise<void> {
    if (this.#base === undefined || this.#base === 0) return
    const key = snapshotKey(ledger, this.#base)
    const snapshot = await this.#from.get(key)
    if (snapshot === undefined) this.#base = undefined
    else await this.#target.put(key, [snapshot.bytes])
  }

  /** Goes on to the state as it is now. */
  async #advance(): Promise<void> {
    await this.#history.advance()
    const broken = this.#ledgerDamages.items.find(({ key }) => key?.startsWith(entriesFolder(ledger)))
    if (broken !== undefined)
      throw new CorruptObjectError(
        `${this.#from.url} is damaged: ${broken.key}: ${broken.message} (see heraclitus ledger verify)`,
      )
    // It had to begin anew: some entries after the base are gone.
    if (this.#history.base !== this.#base) this.#base = undefined
  }

  #wanted(): Generator<WantedObject> {
    const { state, sequence } = this.#history
    return wantedObjects(state, ledger, (this.#base ?? sequence) + 1, sequence)
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
    // An entry that only the order needs, and that is covered by a later snapshot now.
    if (ranges.length === 0) this.#base = undefined
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
    const kind = kindOfKey(key)
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

  /** Writer numbers are never given twice, at the copy neither. */
  async #copyClaims(): Promise<void> {
    const inFlight = new InFlight(objectsAtOnce, bytesAtOnce)
    const prefix = writersPrefix(ledger)
    const unclaimed = new Set(this.#history.state.writers.all())
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

  async #copySnapshot(): Promise<void> {
    const { state, sequence } = this.#history
    await this.#target.keepSnapshots([sequence, this.#base ?? sequence])
    if (sequence === 0 || sequence === this.#base) return
    const { pieces } = await encodeSnapshot(state, sequence, this.#options.clock)
    await this.#target.put(snapshotKey(ledger, sequence), pieces)
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
