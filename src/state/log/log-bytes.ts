import { BufferPool } from '../../base/buffer-pool.js'
import { noPins, type Pins } from '../../base/pinned-memory.js'
import { objectKey } from '../ledger/keys.js'
import type { ObjectStore } from '../store/object-store.js'
import type { Range } from '../views/ranges.js'
import type { ObjectRef } from '../views/view.js'
import { type BlockRead, Blocks } from './blocks.js'
import { RecentBytes } from './recent-bytes.js'
import { RecentObjects } from './recent-objects.js'

/**
 * Blocks in which entries and lanes' objects are read from a store where a request is paid for, bytes: in one piece, up
 * to the default of `flush_bytes` and a head, since they hold many partitions side by side. Segments are of one
 * partition: of them just the ranges are read that are wanted, those side by side together.
 */
const paidBlockBytes = (4 * 1024 + 256) * 1024
/**
 * Elsewhere small ranges of these objects are read in blocks, since the request costs more than the bytes and the range
 * beside it is of the partition that is asked for next. Measured with the Java consumer on entries of 280 KB in 8
 * ranges: server CPU some 0.55× of a read for each range.
 */
const localBlockBytes = 256 * 1024
const localSmallBytes = 64 * 1024
/** Something is read ahead even by an instance without a cache, bytes. */
const aheadBytesMin = 2 * paidBlockBytes

/** How the caches did; `main` binds it to metrics. */
export interface CacheObserver {
  /** Bytes of records were asked for: in memory, or to be read from the store. */
  lookedUp(isHit: boolean): void
}

/** A range's bytes, being read. */
export interface RangeRead {
  /** Whole batches in each piece. */
  pieces: Promise<Buffer[]>
  /** The reader has them, or does not want them any more. To be called once. */
  leave(): void
  /** Nobody uses them any more; see `BlockRead.release`. */
  release(): void
}

export interface LogBytesOptions {
  /** The store for those who read what has just been written, and for those who don't. */
  tail: ObjectStore
  backfill: ObjectStore
  ledger: number
  cacheBytes: number
  observer: CacheObserver
  /** Who uses the memory of what is kept. */
  pins?: Pins
}

/**
 * Gives the bytes of ranges: from memory if they are there, from the store otherwise. Half of the memory is for what this
 * instance wrote itself, a quarter for what others wrote lately; who reads from the beginning has the last quarter, and
 * so can't drive out what those at the tail are about to want.
 */
export class LogBytes {
  /** Where memory for readers comes from. */
  readonly pool: BufferPool
  readonly #recent: RecentBytes
  readonly #recentObjects: RecentObjects
  readonly #tail: Blocks
  readonly #backfill: Blocks
  readonly #isPaid: boolean
  readonly #observer: CacheObserver
  readonly #ledger: number
  readonly #pins: Pins

  constructor({ tail, backfill, cacheBytes, ledger, observer, pins = noPins }: LogBytesOptions) {
    this.#pins = pins
    this.#ledger = ledger
    this.#observer = observer
    this.#isPaid = tail.kind === 'paid'
    this.#recent = new RecentBytes(cacheBytes / 2, pins)
    this.#recentObjects = new RecentObjects(cacheBytes / 4)
    const bytesMax = cacheBytes / 4
    const aheadBytesMax = Math.max(aheadBytesMin, cacheBytes / 2)
    this.pool = new BufferPool(cacheBytes / 2)
    this.#tail = new Blocks({ store: tail, bytesMax, aheadBytesMax, pool: this.pool })
    this.#backfill = new Blocks({ store: backfill, bytesMax, aheadBytesMax, pool: this.pool })
  }

  /** Bytes in memory now. */
  get bytes(): number {
    return this.#recent.bytes + this.#tail.bytes + this.#backfill.bytes
  }

  /** Bytes that readers wait for, besides those that are kept anyway. */
  get heldBytes(): number {
    return this.#tail.heldBytes + this.#backfill.heldBytes
  }

  /** Takes bytes that this instance has in memory anyway. */
  keep(object: ObjectRef, position: number, pieces: readonly Buffer[]): void {
    this.#recent.keep(object, position, pieces)
  }

  /** Records of that object were ordered: the tail is there now. */
  ordered(object: ObjectRef, bytes: number): void {
    this.#recentObjects.add(object, bytes)
  }

  /**
   * A range's bytes, if all are in memory as they were written or followed. Each piece is whole batches. They stay what
   * they are until they are released; without it, their memory is left to the garbage collector.
   */
  find(range: Range): { pieces: Buffer[]; release(): void } | undefined {
    const pieces = this.#recent.find(range, range.position, range.length)
    if (pieces === undefined) return undefined
    this.#observer.lookedUp(true)
    for (const piece of pieces) this.#pins.pin(piece)
    return {
      pieces,
      release: () => {
        for (const piece of pieces) this.#pins.unpin(piece)
      },
    }
  }

  /**
   * Begins to read a range. `isAhead`: the reader does not need it yet; undefined if too much is being read ahead.
   * The promise rejects with StoreError if the store fails, with CorruptObjectError if it lost the bytes.
   */
  begin(topicId: string, partition: number, range: Range, isAhead: true): RangeRead | undefined
  begin(topicId: string, partition: number, range: Range, isAhead?: false): RangeRead
  begin(topicId: string, partition: number, range: Range, isAhead = false): RangeRead | undefined {
    const key = objectKey(this.#ledger, topicId, partition, range)
    const alignment = this.#alignmentOf(range)
    const isKeptAtTail = this.#tail.has(key, range, alignment)
    const blocks = isKeptAtTail || this.#recentObjects.has(range) ? this.#tail : this.#backfill
    const isHit = isKeptAtTail || blocks.has(key, range, alignment)
    const read = blocks.read(key, range, { alignment, isAhead })
    if (read === undefined) return undefined
    this.#observer.lookedUp(isHit)
    return inPieces(read)
  }

  #alignmentOf({ writer, length }: Range): number | undefined {
    if (writer < 0) return undefined
    if (this.#isPaid) return paidBlockBytes
    return length < localSmallBytes ? localBlockBytes : undefined
  }

  /**
   * A range's bytes. Each piece is whole batches.
   * @throws StoreError if the store fails.
   * @throws CorruptObjectError if the store lost them.
   */
  async read(topicId: string, partition: number, range: Range): Promise<Buffer[]> {
    const { pieces, leave } = this.begin(topicId, partition, range)
    try {
      return await pieces
    } finally {
      leave()
    }
  }
}

function inPieces({ bytes, leave, release }: BlockRead): RangeRead {
  const pieces = bytes.then((whole) => [whole])
  // Who reads ahead may never come to want it.
  pieces.catch(() => undefined)
  return { pieces, leave, release }
}
