import { entriesFolder, numberOfKey } from '../../src/state/ledger/keys.js'
import { MemoryBucket } from '../../src/state/store/memory.js'
import type { History } from './history.js'

/** An object that was deleted. */
export interface Removal {
  key: string
  /** Entries that the ledger had then, without a gap. */
  tail: number
}

const entries = `${entriesFolder(0)}/`

/** A bucket that remembers everything that it ever held, so that it can be judged later. */
export class Archive extends MemoryBucket {
  /** All objects ever stored, by key. */
  readonly all = new Map<string, Buffer>()
  /** The first time that each was stored, by the virtual clock. */
  readonly storedAtMs = new Map<string, number>()
  /** In the order in which they happened. */
  readonly removals: Removal[] = []
  /** Entries that the ledger has ever had, without a gap. */
  tail = 0
  readonly #found = new Set<number>()
  readonly #history: History
  readonly #now: () => number

  constructor(history: History, now: () => number) {
    super()
    this.#history = history
    this.#now = now
  }

  /**
   * A process is about to store an entry: if there was one and it was deleted, it takes that place for the tail. Unless
   * it had asked before, for which there is `earlier`: that it makes the same put once more, having slept amid the first
   * attempt, does no harm, since neither answer counts (`store/hedging.ts` is below the fence).
   */
  asked(key: string, earlier: Set<string>): void {
    const isFirst = !earlier.has(key)
    earlier.add(key)
    if (isFirst && key.startsWith(entries) && this.all.has(key) && !this.objects.has(key))
      this.#history.violation('trimmed place', `${key} was deleted, and is to be stored again`)
  }

  override add(key: string, bytes: Buffer): void {
    super.add(key, bytes)
    if (this.all.has(key)) return
    this.all.set(key, bytes)
    this.storedAtMs.set(key, this.#now())
    if (!key.startsWith(entries)) return
    this.#found.add(numberOfKey(key))
    while (this.#found.delete(this.tail + 1)) this.tail++
  }

  override remove(key: string): void {
    if (this.objects.has(key)) this.removals.push({ key, tail: this.tail })
    super.remove(key)
  }
}
