import type { Clock } from '../../base/clock.js'
import type { Log } from '../../base/log.js'
import {
  entriesFolder,
  lanesPrefix,
  numberOfKey,
  partitionOfSegmentKey,
  probesPrefix,
  segmentsPrefix,
  writerOfLaneKey,
  writerOfProbeKey,
  writerOfSegmentKey,
  writersPrefix,
} from '../ledger/keys.js'
import type { Proposer } from '../ledger/proposer.js'
import { homeLedger, ledgerOfPartition } from '../routing.js'
import type { ObjectStore } from '../store/object-store.js'
import { isPartBefore, markOf } from './ages.js'
import type { CollectedObject, UpkeepObserver } from './observer.js'
import { referencesOf } from './references.js'

/** Objects deleted with one call. */
const deletedAtOnce = 500

export interface CollectorOptions {
  store: ObjectStore
  /** With the sequence number of the last entry applied. */
  proposer: Proposer & { readonly sequence: number }
  clock: Clock
  log: Log
  observer: UpkeepObserver
  /** Its number, and how many there are. */
  ledger: number
  ledgers: number
  /** See `LedgerSettings`. */
  trimGraceMs: number
  signal: AbortSignal
}

/**
 * Deletes the objects that nothing refers to, and nothing can come to refer to. When an object was made is not asked
 * of the store, nor of any wall clock:
 * - an entry of the ledger was applied here and is covered by all snapshots that are kept, as it was `trim_grace_ms` ago by
 *   the ledger's own clock (so whoever has not read it has been fenced, see `Fence`);
 * - a lane's object holds a part that has taken effect, or that can't any more, since its writer is forgotten;
 * - a segment is of a partition of this ledger, and numbered below `segmentsFrom`, so that a replacement that names it is
 *   void;
 * - a claim of a writer number is of one forgotten `trim_grace_ms` ago, and not the highest: so nobody who is not fenced can
 *   take that number for free.
 * - what a start left that died while it tried out the store bears a lower number than the claims that were there
 *   `trim_grace_ms` ago (`ledger/probe.ts`).
 * What is referred to is found by looking through the state, what there is by listing. A reader that is a little behind may
 * still want what is deleted: it looks again.
 */
export class Collector {
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    this.#options = options
  }

  /** Deletes what can be deleted. */
  async pass(): Promise<void> {
    const { proposer, clock, ledger, ledgers, trimGraceMs, signal } = this.#options
    const { state } = proposer
    const old = state.clock.before(trimGraceMs)
    // What is not applied here may be referred to, though this state does not know.
    const lastEntry = Math.min(old?.covered ?? 0, proposer.sequence)
    const mark = markOf(0, state)
    const { segmentsFrom } = state.partitions
    const references = await referencesOf(state, lastEntry, clock)

    await this.#sweep('entry', `${entriesFolder(ledger)}/`, (key) => {
      const number = numberOfKey(key)
      if (number > lastEntry) return 'end'
      return references.has(0, number) ? 'keep' : 'delete'
    })
    await this.#sweep('lane', lanesPrefix(ledger), (key) => {
      const writer = writerOfLaneKey(key)
      const number = numberOfKey(key)
      return !isPartBefore(writer, number, mark) || references.has(writer, number) ? 'keep' : 'delete'
    })
    let highest = 0
    for await (const { key } of this.#options.store.list(writersPrefix(ledger))) highest = numberOfKey(key)
    await this.#sweep('writer', writersPrefix(ledger), (key) => {
      const writer = numberOfKey(key)
      if (writer >= highest || writer >= (old?.writersFrom ?? 0)) return 'keep'
      return state.writers.isForgotten(writer) ? 'delete' : 'keep'
    })
    // They are named by writers of the home ledger.
    if (ledger === homeLedger)
      await this.#sweep('probe', probesPrefix, (key) =>
        writerOfProbeKey(key) < (old?.writersFrom ?? 0) - 1 ? 'delete' : 'keep',
      )
    if (signal.aborted) return
    let isFenceWanted = false
    await this.#sweep('segment', segmentsPrefix, (key) => {
      const { topicId, partition } = partitionOfSegmentKey(key)
      // Of what other ledgers refer to this state knows nothing.
      if (ledgerOfPartition(topicId, partition, ledgers) !== ledger) return 'ignore'
      const { writer, number } = writerOfSegmentKey(key)
      if (references.has(-writer, number)) return 'keep'
      if (number < segmentsFrom) return 'delete'
      isFenceWanted = true
      return 'keep'
    })
    // What is kept for that alone goes with the next pass, whoever makes it.
    if (isFenceWanted && old !== undefined && old.position > segmentsFrom)
      await proposer.propose('fenceSegments', { below: old.position })
  }

  async #sweep(
    kind: CollectedObject,
    prefix: string,
    judge: (key: string) => 'keep' | 'delete' | 'ignore' | 'end',
  ): Promise<void> {
    const { store, observer, signal } = this.#options
    let doomed: string[] = []
    let kept = 0
    let bytes = 0
    const flush = async () => {
      if (doomed.length > 0) await store.delete(doomed)
      observer.collected(kind, doomed.length)
      doomed = []
    }
    for await (const { key, size } of store.list(prefix)) {
      if (signal.aborted) return
      const verdict = judge(key)
      if (verdict === 'end') break
      if (verdict === 'ignore') continue
      if (verdict === 'delete') doomed.push(key)
      else {
        kept++
        bytes += size
      }
      if (doomed.length >= deletedAtOnce) await flush()
    }
    await flush()
    observer.kept(kind, kept, bytes)
  }
}
