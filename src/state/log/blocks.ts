import type { BufferPool } from '../../base/buffer-pool.js'
import type { Clock, Timer } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { UseOrder } from '../../base/use-order.js'
import type { TopicPartition } from '../cluster.js'
import { objectKey } from '../ledger/keys.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'
import type { ObjectRef } from '../views/view.js'
import { Block, BlocksOfObject } from './block.js'
import { readCostBytes } from './block-use.js'
import { ObjectTable } from './object-table.js'
import type { ReadTurns } from './read-turns.js'

/** Blocks of one object that stand side by side are read with one request of up to so many bytes. */
const readBytesMax = 4 * 1024 * 1024
/** What the store has lent is given back after so long, milliseconds, unless somebody still uses it. */
const lentMs = 1_000

export interface BlocksOptions {
  store: ObjectStore
  /** Whose objects these are. */
  ledger: number
  /** Bytes that are kept. */
  bytesMax: number
  /** Bytes that readers may have asked for ahead of what they need at once, all of them together. */
  aheadBytesMax: number
  /** Where the memory of blocks comes from and goes to. */
  pool: BufferPool
  /** Bounds what is read at once. */
  turns: ReadTurns
  clock: Clock
  /** Is told of each block that is no longer kept. */
  gone?: (block: Block) => void
}

/** A range of an object. */
export interface StoredRange extends ObjectRef, ByteRange {}

/** Bytes that a reader waits for. */
export interface BlockRead {
  /**
   * Resolves once the bytes of all blocks are here.
   * @throws StoreError if the store fails.
   * @throws CorruptObjectError if the object is missing.
   */
  ready(): Promise<unknown>
  /** Side by side; the reader uses each of them, until it releases it. */
  blocks: readonly Block[]
  /** The reader has what it waited for, or does not want it any more: it no longer counts. To be called once. */
  leave(): void
}

/**
 * Bytes of stored objects, kept as they were read, so that a reader that goes on, and others after it, find what the
 * last read brought. Readers that want what is just being read share that read, however many they are. Least recently
 * used blocks go. What readers hold is bounded too: who asks for more ahead of its need than there is room for is refused.
 *
 * With `alignment` an object is read in blocks of that size, whatever is asked for; without it just the range is.
 */
export class Blocks {
  readonly #store: ObjectStore
  readonly #ledger: number
  readonly #bytesMax: number
  readonly #aheadBytesMax: number
  readonly #pool: BufferPool
  readonly #turns: ReadTurns
  readonly #clock: Clock
  readonly #gone: ((block: Block) => void) | undefined
  /** Here or being read. */
  readonly #objects = new ObjectTable<BlocksOfObject>()
  /** Here. */
  readonly #kept = new UseOrder<Block>()
  /** Blocks to be read, by object, once all that are wanted together are known. */
  #wanted: Map<BlocksOfObject, Block[]> | undefined
  /** How large the last blocks turned out to be, on average: objects may be much smaller than a block. */
  #usualBytes = 0
  #givingBack: Timer | undefined
  /** Bytes kept now. */
  bytes = 0
  /** Bytes that readers wait for. */
  heldBytes = 0

  constructor(options: BlocksOptions) {
    this.#store = options.store
    this.#ledger = options.ledger
    this.#bytesMax = options.bytesMax
    this.#aheadBytesMax = options.aheadBytesMax
    this.#pool = options.pool
    this.#turns = options.turns
    this.#clock = options.clock
    this.#gone = options.gone
  }

  /** Begins to read a range of an object. `isAhead`: it is not needed yet; undefined if there is no room for it. */
  read(
    of: TopicPartition,
    range: StoredRange,
    { alignment, isAhead = false }: { alignment?: number | undefined; isAhead?: boolean } = {},
  ): BlockRead | undefined {
    const places = placesOf(range, alignment)
    if (isAhead && this.heldBytes + this.#cost(range, places) > this.#aheadBytesMax) return undefined
    const blocks = places.map((place) => this.#take(of, range, place))
    return {
      // Made only for who waits: of a read ahead that fails and is never wanted nobody need hear.
      ready: () => Promise.all(blocks.map(({ arrival }) => arrival)),
      blocks,
      leave: () => {
        for (const block of blocks) {
          block.readers--
          if (block.readers === 0) this.heldBytes -= block.size
        }
      },
    }
  }

  /**
   * The block of an object that begins at `position`, if it is here or can be had at once in this turn: used by one more
   * reader, until it releases it. `mayBorrow`: it is sure to do so.
   */
  now(of: TopicPartition, object: ObjectRef, place: ByteRange, mayBorrow: boolean): Block | undefined {
    const block = this.#find(object, place.position, place.length)
    if (block === undefined || (block.isLent && !mayBorrow)) return this.#readNow(of, object, place, mayBorrow)
    if (!block.isHere) return undefined
    this.#kept.used(block)
    block.users++
    return block
  }

  /** Whether a read of that range would need no I/O. */
  has(range: StoredRange, alignment?: number): boolean {
    if (alignment === undefined) return this.#isHere(range, range.position, range.length)
    const end = range.position + range.length
    for (let at = range.position - (range.position % alignment); at < end; at += alignment)
      if (!this.#isHere(range, at, alignment)) return false
    return true
  }

  #isHere(object: ObjectRef, position: number, length: number): boolean {
    return this.#find(object, position, length)?.isHere === true
  }

  #find({ writer, number }: ObjectRef, position: number, length: number): Block | undefined {
    const block = this.#objects.get(writer, number)?.at(position)
    return block?.length === length ? block : undefined
  }

  /** The bytes that readers would hold in addition. */
  #cost(object: ObjectRef, places: readonly ByteRange[]): number {
    let bytes = 0
    for (const { position, length } of places) {
      const block = this.#find(object, position, length)
      if (block === undefined) bytes += this.#guess(length)
      else if (block.readers === 0) bytes += block.size
    }
    return bytes
  }

  #guess(length: number): number {
    return this.#usualBytes === 0 ? length : Math.min(length, 2 * this.#usualBytes)
  }

  /** The block at that place, now held by one more reader; begins to read it if need be. */
  #take(of: TopicPartition, object: ObjectRef, { position, length }: ByteRange): Block {
    let block = this.#find(object, position, length)
    // Who waits need not release it.
    if (block === undefined || block.isLent) {
      block = this.#add(this.#ownerOf(of, object), position, length)
      block.size = this.#guess(length)
      this.#want(block)
    } else if (block.isKept) this.#kept.used(block)
    if (block.readers === 0) this.heldBytes += block.size
    block.readers++
    block.users++
    return block
  }

  #add(owner: BlocksOfObject, position: number, length: number): Block {
    // One of another length stays with those who use it.
    const other = owner.at(position)
    if (other?.isKept) this.#forget(other)
    if (owner.isEmpty) this.#objects.set(owner, owner)
    const block = new Block(owner, position, length)
    owner.add(block)
    return block
  }

  /** The object's blocks; kept as soon as there is one. */
  #ownerOf(of: TopicPartition, object: ObjectRef): BlocksOfObject {
    return (
      this.#objects.get(object.writer, object.number) ??
      new BlocksOfObject(object, objectKey(this.#ledger, of.topicId, of.partition, object))
    )
  }

  #remove(block: Block): void {
    const { object } = block
    if (object.remove(block) && object.isEmpty) this.#objects.delete(object)
  }

  #want(block: Block): void {
    block.await()
    if (this.#wanted === undefined) {
      this.#wanted = new Map()
      queueMicrotask(() => this.#readWanted())
    }
    const ofObject = this.#wanted.get(block.object)
    if (ofObject === undefined) this.#wanted.set(block.object, [block])
    else ofObject.push(block)
  }

  /** Begins to read all that was wanted at once, neighbours together. */
  #readWanted(): void {
    const wanted = this.#wanted
    this.#wanted = undefined
    for (const [{ key }, blocks] of wanted ?? []) {
      blocks.sort((a, b) => a.position - b.position)
      for (let at = 0; at < blocks.length; ) {
        const { position } = blocks[at] as Block
        const run: Block[] = []
        let end = position
        for (let block = blocks[at]; block !== undefined; block = blocks[++at]) {
          const isNext = block.position === end && end + block.length - position <= readBytesMax
          if (run.length > 0 && !isNext) break
          run.push(block)
          end = block.position + block.length
        }
        void this.#readRun(key, { position, length: end - position }, run)
      }
    }
  }

  async #readRun(key: string, range: ByteRange, run: readonly Block[]): Promise<void> {
    try {
      const object = await this.#store.get(key, range, this.#pool.take)
      if (object === undefined)
        throw new CorruptObjectError(`${key} is missing, though the ledger refers to it`, { isMissing: true })
      const memory = { blocks: run.length, release: () => this.#pool.give(object.bytes) }
      for (const block of run) {
        const start = block.position - range.position
        if (block.readers > 0) this.heldBytes -= block.size
        block.arrived(object.bytes.subarray(start, start + block.length), memory)
        if (block.readers > 0) this.heldBytes += block.size
        this.#keep(block)
      }
    } catch (error) {
      for (const block of run) {
        // The next one who wants it tries again.
        this.#remove(block)
        block.failed(error)
      }
    }
    this.#evict()
  }

  #readNow(
    of: TopicPartition,
    object: ObjectRef,
    { position, length }: ByteRange,
    mayBorrow: boolean,
  ): Block | undefined {
    if (this.#store.getNow === undefined || this.#turns.isOver) return undefined
    const owner = this.#ownerOf(of, object)
    const found = this.#store.getNow(owner.key, { position, length }, this.#pool.take, mayBorrow)
    this.#turns.spent(Math.max(found?.bytes.length ?? 0, readCostBytes))
    if (found === undefined) return undefined
    const block = this.#add(owner, position, length)
    const { bytes, release = () => this.#pool.give(bytes) } = found
    block.arrived(bytes, { blocks: 1, release })
    block.users++
    this.#keep(block)
    if (found.release !== undefined) {
      block.isLent = true
      this.#giveBackSoon()
    }
    this.#evict()
    return block
  }

  #giveBackSoon(): void {
    this.#givingBack ??= this.#clock.after(lentMs, () => {
      this.#givingBack = undefined
      for (let block = this.#kept.oldest; block !== undefined; ) {
        const { newer } = block
        if (block.isLent) this.#forget(block)
        block = newer
      }
    })
  }

  #keep(block: Block): void {
    this.#usualBytes += (block.size - this.#usualBytes) / (this.#usualBytes === 0 ? 1 : 8)
    block.isKept = true
    this.bytes += block.size
    this.#kept.add(block)
  }

  #evict(): void {
    for (let block = this.#kept.oldest; block !== undefined && this.bytes > this.#bytesMax; block = this.#kept.oldest)
      this.#forget(block)
  }

  #forget(block: Block): void {
    this.#kept.remove(block)
    this.bytes -= block.size
    this.#remove(block)
    this.#gone?.(block)
    block.evicted()
  }
}

function placesOf({ position, length }: ByteRange, alignment: number | undefined): ByteRange[] {
  if (alignment === undefined) return [{ position, length }]
  const places: ByteRange[] = []
  for (let at = position - (position % alignment); at < position + length; at += alignment)
    places.push({ position: at, length: alignment })
  return places
}
