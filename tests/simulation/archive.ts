import { kindOfKey, numberOfKey } from '../../src/state/ledger/keys.js'
import { MemoryBucket } from '../../src/state/store/memory.js'
import type { History } from './history.js'

/** An object that was deleted. */
export interface Removal {
  key: string
  /** Whose it was, and how many entries that ledger had then, without a gap. */
  ledger: number
  tail: number
}

/** A bucket that remembers everything that it ever held, so that it can be judged later. */
export class Archive extends MemoryBucket {
  /** All objects ever stored, by key. */
  readonly all = new Map<string, Buffer>()
  /** The first time that each was stored, by the virtual clock. */
  readonly storedAtMs = new Map<string, number>()
  /** In the order in which they happened. */
  readonly removals: Removal[] = []
  /** Entries that each ledger has ever had, without a gap. */
  readonly tails: number[]
  readonly #found: Set<number>[]
  readonly #history: History
  readonly #now: () => number

  constructor(history: History, now: () => number, ledgers = 1) {
    super()
    this.tails = Array.from({ length: ledgers }, () => 0)
    this.#found = this.tails.map(() => new Set())
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
    if (isFirst && key.startsWith('ledger/') && this.all.has(key) && !this.objects.has(key))
      this.#history.violation('trimmed place', `${key} was deleted, and is to be stored again`)
  }

  override add(key: string, bytes: Buffer): void {
    super.add(key, bytes)
    if (this.all.has(key)) return
    this.all.set(key, bytes)
    this.storedAtMs.set(key, this.#now())
    if (!key.startsWith('ledger/')) return
    const ledger = this.#ledgerOf(key)
    const found = this.#found[ledger] as Set<number>
    found.add(numberOfKey(key))
    while (found.delete(this.tailOf(ledger) + 1)) this.tails[ledger] = this.tailOf(ledger) + 1
  }

  override remove(key: string): void {
    const ledger = this.#ledgerOf(key)
    if (this.objects.has(key)) this.removals.push({ key, ledger, tail: this.tailOf(ledger) })
    super.remove(key)
  }

  tailOf(ledger: number): number {
    return this.tails[ledger] ?? 0
  }

  #ledgerOf(key: string): number {
    return kindOfKey(key, this.tails.length)?.ledger ?? 0
  }
}
