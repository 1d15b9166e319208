import type { Clock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { kindOfKey, type ObjectKind, probesPrefix, writerOfProbeKey } from '../ledger/keys.js'
import { readStoredEntry } from '../ledger/stored-entry.js'
import type { ObjectStore } from '../store/object-store.js'
import type { State } from '../views/state.js'
import { Listed, type Orphan } from './findings.js'
import type { History } from './history.js'

/** Most orphans that are listed one by one; all are counted. */
const orphansMax = 1_000
/** What waited in a lane for so long, milliseconds, is not looked for any more: see `Lanes`. */
const silentMs = 60 * 60_000

export interface Count {
  objects: number
  bytes: number
}

/** Sorts the objects that the state does not refer to: which are needed all the same, which go by themselves, which stay. */
export class Unreferenced {
  /** Entries and lane objects that have done their work: a running instance deletes them. */
  readonly collectable: Count = { objects: 0, bytes: 0 }
  /** In lanes, still to be ordered. */
  readonly waiting: Count = { objects: 0, bytes: 0 }
  readonly orphans = new Listed<Orphan>(orphansMax)
  orphanBytes = 0
  readonly #ledgers: number
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #history: History
  /** Objects in lanes that are not ordered: how old they are decides. */
  readonly #unordered: { key: string; bytes: number; isRetired: boolean }[] = []

  /** @param ledgers how many there are */
  constructor(store: ObjectStore, clock: Clock, history: History, ledgers: number) {
    this.#ledgers = ledgers
    this.#store = store
    this.#clock = clock
    this.#history = history
  }

  /** Whether the order can do without the entry: then it goes as soon as no records in it are wanted. */
  isCollectable(entry: number): boolean {
    return entry <= (this.#history.snapshots[0] ?? 0)
  }

  add(key: string, bytes: number, kind: ObjectKind | undefined, state: State): void {
    const stays = { key, bytes, ageMs: undefined, isOlder: false, isCollected: false }
    switch (kind?.kind) {
      case 'entry':
        if (this.isCollectable(kind.number)) count(this.collectable, bytes)
        return
      case 'lane': {
        const isRetired = state.writers.isRetired(kind.writer)
        const isForgotten = state.writers.isForgotten(kind.writer)
        if (isForgotten || kind.number <= state.writers.lastIndex(kind.writer)) count(this.collectable, bytes)
        else if (this.#unordered.length < orphansMax) this.#unordered.push({ key, bytes, isRetired })
        else count(this.waiting, bytes)
        return
      }
      case 'segment': {
        const isVoid = kind.number < state.partitions.segmentsFrom
        const made = this.#history.times.at(kind.number)
        const ageMs = made === undefined ? undefined : Math.max(0, this.#clock.now() - made.timeMs)
        const why = isVoid ? 'a segment that nothing refers to' : 'a segment that nothing refers to yet, or any more'
        this.#orphan({ key, bytes, ageMs, isOlder: made?.isEarlier ?? false, isCollected: true, why })
        return
      }
      case 'copyMarker':
        this.#orphan({ ...stays, why: 'the mark of a copy that has been finished' })
        return
      case undefined:
        this.#orphan({ ...stays, isCollected: writerOfProbeKey(key) >= 0, why: strangerOf(key) })
        return
    }
  }

  /** Looks at how old those are of which that matters. @throws StoreError */
  async finish(): Promise<void> {
    for (const { key, bytes, isRetired } of this.#unordered) {
      const timeMs = await this.#timeOf(key)
      const kind = kindOfKey(key, this.#ledgers)
      const lastIndex = kind?.kind === 'lane' ? this.#history.state.writers.lastIndex(kind.writer) : 0
      // Ordered since, or gone.
      if (timeMs === undefined || (kind?.kind === 'lane' && kind.number <= lastIndex)) continue
      const ageMs = Math.max(0, this.#clock.now() - timeMs)
      if (!isRetired && ageMs < silentMs) {
        count(this.waiting, bytes)
        continue
      }
      const why = 'a part that was never ordered, of a process that is gone; its request was not acknowledged'
      this.#orphan({ key, bytes, ageMs, isOlder: false, isCollected: false, why })
    }
  }

  async #timeOf(key: string): Promise<number | undefined> {
    try {
      const read = await readStoredEntry(this.#store, key)
      return read === undefined ? undefined : (read.entry.parts[0]?.timeMs ?? 0)
    } catch (error) {
      if (error instanceof CorruptObjectError) return 0
      throw error
    }
  }

  #orphan(orphan: Orphan): void {
    this.orphanBytes += orphan.bytes
    this.orphans.add(orphan)
  }
}

function count(total: Count, bytes: number): void {
  total.objects++
  total.bytes += bytes
}

function strangerOf(key: string): string {
  if (key.startsWith(probesPrefix)) return 'left by a start that died while it tried out the store'
  return 'no object of Heraclitus'
}
