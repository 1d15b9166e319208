import { objectKey } from '../ledger/keys.js'
import type { ObjectStore } from '../store/object-store.js'
import type { Range } from '../views/ranges.js'
import type { ObjectRef } from '../views/view.js'
import { Blocks } from './blocks.js'
import { RecentBytes } from './recent-bytes.js'

/** Blocks read from a store where a request is paid for, bytes. */
const paidBlockBytes = 4 * 1024 * 1024

/** How the caches did; `main` binds it to metrics. */
export interface CacheObserver {
  /** Bytes of records were asked for: in memory, or to be read from the store. */
  lookedUp(isHit: boolean): void
}

/** Gives the bytes of ranges: from memory if they are there, from the store otherwise. */
export class LogBytes {
  readonly #recent: RecentBytes
  readonly #blocks: Blocks
  readonly #observer: CacheObserver
  readonly #ledger: number

  constructor(options: { store: ObjectStore; ledger: number; cacheBytes: number; observer: CacheObserver }) {
    const { store, cacheBytes, ledger, observer } = options
    this.#ledger = ledger
    this.#observer = observer
    this.#recent = new RecentBytes(cacheBytes / 2)
    this.#blocks = new Blocks({
      store,
      alignment: store.kind === 'paid' ? paidBlockBytes : undefined,
      bytesMax: cacheBytes / 2,
    })
  }

  /** Bytes in memory now. */
  get bytes(): number {
    return this.#recent.bytes + this.#blocks.bytes
  }

  keep(object: ObjectRef, position: number, pieces: readonly Buffer[]): void {
    this.#recent.keep(object, position, pieces)
  }

  /** A range's bytes, if all are in memory as they were written or followed. Each piece is whole batches. */
  find(range: Range): Buffer[] | undefined {
    const found = this.#recent.find(range, range.position, range.length)
    if (found !== undefined) this.#observer.lookedUp(true)
    return found
  }

  /**
   * A range's bytes. Each piece is whole batches.
   * @throws StoreError if the store fails.
   * @throws CorruptObjectError if the store lost them.
   */
  async read(topicId: string, partition: number, range: Range): Promise<Buffer[]> {
    const key = objectKey(this.#ledger, topicId, partition, range)
    this.#observer.lookedUp(this.#blocks.has(key, range.position, range.length))
    return [await this.#blocks.read(key, range.position, range.length)]
  }
}
