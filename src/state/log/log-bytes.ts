import { BufferPool } from '../../base/buffer-pool.js'
import type { Clock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { noPins, type Pins } from '../../base/pinned-memory.js'
import type { TopicPartition } from '../cluster.js'
import type { ObjectStore } from '../store/object-store.js'
import type { Range } from '../views/ranges.js'
import type { ObjectRef } from '../views/view.js'
import type { Block } from './block.js'
import { BlockUse } from './block-use.js'
import { type BlockRead, Blocks } from './blocks.js'
import type { GatheredBatches } from './gathered-batches.js'
import { ReadTurns } from './read-turns.js'
import { RecentBytes } from './recent-bytes.js'
import { RecentObjects } from './recent-objects.js'

/**
 * Blocks in which entries and lanes' objects are read from a store where a request is paid for, bytes: in one piece, up
 * to the default of `flush_bytes` and a head, since they hold many partitions side by side. Segments are of one
 * partition: of them just the ranges are read that are wanted, those side by side together.
 */
const paidBlockBytes = (4 * 1024 + 256) * 1024
/**
 * Elsewhere small ranges of these objects are read in blocks as long as that pays (`block-use.ts`): the request costs more
 * than the bytes, and mostly the range beside it is of the partition that is asked for next.
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

export interface LogBytesOptions {
  /** The store for those who read what has just been written, and for those who don't. */
  tail: ObjectStore
  backfill: ObjectStore
  ledger: number
  cacheBytes: number
  clock: Clock
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
  readonly turns: ReadTurns
  readonly #recent: RecentBytes
  readonly #recentObjects: RecentObjects
  readonly #tail: Blocks
  readonly #backfill: Blocks
  readonly #blockUse = new BlockUse(localBlockBytes)
  readonly #isPaid: boolean
  readonly #observer: CacheObserver
  readonly #pins: Pins

  constructor({ tail, backfill, cacheBytes, ledger, clock, observer, pins = noPins }: LogBytesOptions) {
    this.#pins = pins
    this.#observer = observer
    this.#isPaid = tail.kind === 'paid'
    this.#recent = new RecentBytes(cacheBytes / 2, pins)
    this.#recentObjects = new RecentObjects(cacheBytes / 4)
    const bytesMax = cacheBytes / 4
    const aheadBytesMax = Math.max(aheadBytesMin, cacheBytes / 2)
    this.pool = new BufferPool(cacheBytes / 2)
    this.turns = new ReadTurns(clock)
    const gone = (block: Block) => {
      if (block.length === localBlockBytes) this.#blockUse.gone(block.usedBytes, block.size)
    }
    const shared = { ledger, bytesMax, aheadBytesMax, pool: this.pool, turns: this.turns, clock, gone }
    this.#tail = new Blocks({ ...shared, store: tail })
    this.#backfill = new Blocks({ ...shared, store: backfill })
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

  /** A range's bytes, if all are in memory as they were written or followed. Each piece is whole batches. */
  find(range: Range): Buffer[] | undefined {
    const pieces = this.#recent.find(range, range.position, range.length)
    if (pieces !== undefined) this.#observer.lookedUp(true)
    return pieces
  }

  /**
   * Gives a range's batches to a reader if its bytes are in memory or can be had from the store at once, in this turn;
   * false if they must be waited for.
   * @throws CorruptObjectError if they are not what they should be.
   */
  gatherNow(of: TopicPartition, range: Range, into: GatheredBatches): boolean {
    const pieces = this.find(range)
    if (pieces !== undefined) {
      into.takeShared(range, pieces, this.#pins)
      return true
    }
    const from = this.#blocksOf(range)
    const alignment = this.#alignmentOf(range, from)
    const before = this.turns.bytes
    const blocks = blocksNow(from, of, range, { alignment, mayBorrow: into.mayBorrow })
    if (blocks === undefined) return false
    this.#observer.lookedUp(this.turns.bytes === before)
    this.gather(range, blocks, into)
    return true
  }

  /**
   * Gives a range's batches to a reader that uses the range's blocks, all of which are here.
   * @throws CorruptObjectError if they are not what they should be.
   */
  gather(range: Range, blocks: readonly Block[], into: GatheredBatches): void {
    let start: number
    try {
      const first = firstOf(range, blocks)
      start = range.position - first.position
      // Of several the first two share it: a small range is not in more.
      first.usedBytes += Math.min(range.length, first.length - start)
      if (blocks[1] !== undefined) blocks[1].usedBytes += range.length - (first.length - start)
      if (blocks.length === 1) into.take(range, first.bytes, start, start + range.length, first)
    } catch (error) {
      // Nothing of it was taken.
      for (const block of blocks) block.release()
      throw error
    }
    if (blocks.length > 1) into.takeJoined(range, blocks, start)
  }

  /**
   * Begins to read a range. `isAhead`: the reader does not need it yet; undefined if too much is being read ahead.
   */
  begin(of: TopicPartition, range: Range, isAhead: true): BlockRead | undefined
  begin(of: TopicPartition, range: Range, isAhead?: false): BlockRead
  begin(of: TopicPartition, range: Range, isAhead = false): BlockRead | undefined {
    const blocks = this.#blocksOf(range)
    const alignment = this.#alignmentOf(range, blocks)
    const isHit = blocks.has(range, alignment)
    const read = blocks.read(of, range, { alignment, isAhead })
    if (read !== undefined) this.#observer.lookedUp(isHit)
    return read
  }

  /**
   * A range's bytes.
   * @throws StoreError if the store fails.
   * @throws CorruptObjectError if the store lost them.
   */
  async read(of: TopicPartition, range: Range): Promise<Buffer> {
    const { ready, blocks, leave } = this.begin(of, range)
    try {
      await ready()
    } finally {
      leave()
    }
    const first = firstOf(range, blocks)
    const start = range.position - first.position
    const bytes = blocks.length === 1 ? first.bytes : Buffer.concat(blocks.map((block) => block.bytes))
    return bytes.subarray(start, start + range.length)
  }

  /** Where the blocks of the range are kept, or to be kept. */
  #blocksOf(range: Range): Blocks {
    return this.#recentObjects.has(range) || isIn(this.#tail, range, this.#blockBytesOf(range))
      ? this.#tail
      : this.#backfill
  }

  /** In blocks of which size the range is kept, or is to be read; undefined: as it is. */
  #alignmentOf(range: Range, blocks: Blocks): number | undefined {
    const blockBytes = this.#blockBytesOf(range)
    if (blockBytes === undefined || this.#isPaid) return blockBytes
    if (blocks.has(range)) return undefined
    return blocks.has(range, blockBytes) || this.#blockUse.isWorthIt(range.length) ? blockBytes : undefined
  }

  /** How large blocks are in which the range may be read; undefined if it may not. */
  #blockBytesOf({ writer, length }: Range): number | undefined {
    if (writer < 0) return undefined
    if (this.#isPaid) return paidBlockBytes
    return length < localSmallBytes ? localBlockBytes : undefined
  }
}

/** Whether a range is kept, as it is or in blocks of that size. */
const isIn = (blocks: Blocks, range: Range, blockBytes: number | undefined): boolean =>
  blocks.has(range) || (blockBytes !== undefined && blocks.has(range, blockBytes))

/** The first of the blocks that hold a range. @throws CorruptObjectError if they end before it does. */
function firstOf({ position, length }: Range, blocks: readonly Block[]): Block {
  const [first, last] = [blocks[0] as Block, blocks[blocks.length - 1] as Block]
  if (last.position + last.bytes.length < position + length)
    throw new CorruptObjectError(
      `${first.object.key} ends before byte ${position + length}, where record batches are to be`,
    )
  return first
}

/** The range's blocks, each of them used by one more reader, if all of them can be had at once. */
function blocksNow(
  from: Blocks,
  of: TopicPartition,
  range: Range,
  { alignment, mayBorrow }: { alignment: number | undefined; mayBorrow: boolean },
): Block[] | undefined {
  const size = alignment ?? range.length
  const blocks: Block[] = []
  const end = range.position + range.length
  for (let at = range.position - (alignment === undefined ? 0 : range.position % alignment); at < end; at += size) {
    const block = from.now(of, range, { position: at, length: size }, mayBorrow)
    if (block === undefined) {
      for (const taken of blocks) taken.release()
      return undefined
    }
    blocks.push(block)
  }
  return blocks
}
