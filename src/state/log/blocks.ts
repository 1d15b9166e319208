import type { BufferPool } from '../../base/buffer-pool.js'
import { CorruptObjectError } from '../../base/errors.js'
import type { ByteRange, ObjectStore } from '../store/object-store.js'

/** Blocks of one object that stand side by side are read with one request of up to so many bytes. */
const readBytesMax = 4 * 1024 * 1024
/** What is less than this share of its block is copied out of it. */
const pinnedShare = 8

export interface BlocksOptions {
  store: ObjectStore
  /** Bytes that are kept. */
  bytesMax: number
  /** Bytes that readers may have asked for ahead of what they need at once, all of them together. */
  aheadBytesMax: number
  /** Where the memory of blocks comes from and goes to. */
  pool: BufferPool
}

/** Bytes that a reader waits for. */
export interface BlockRead {
  /** @throws StoreError, CorruptObjectError; see `Blocks.read`. */
  bytes: Promise<Buffer>
  /** The reader has what it waited for, or does not want it any more: it no longer counts. To be called once. */
  leave(): void
  /**
   * Nobody uses the bytes any more that this reader was given: their memory may be used for others. To be called at most
   * once; without it, the memory is left to the garbage collector.
   */
  release(): void
}

interface Block {
  name: string
  range: ByteRange
  bytes: Promise<Buffer>
  settle: { resolve(bytes: Buffer): void; reject(error: unknown): void } | undefined
  /** Bytes it takes: a guess until they are here. */
  size: number
  isHere: boolean
  /** Readers that wait for it. */
  readers: number
  /** Reads that have not been released. */
  users: number
  /** What it is a part of, once it is here. */
  memory: Memory | undefined
  isEvicted: boolean
}

/** What one request brought: a block, or several side by side. */
interface Memory {
  bytes: Buffer
  /** Blocks that are kept, or used. */
  blocks: number
}

/**
 * Bytes of stored objects, kept as they were read, so that a reader that goes on, and others after it, find what the
 * last read brought. Readers that want what is just being read share that read, however many they are. Least recently
 * used blocks go. What readers hold is bounded too: who asks for more ahead of its need than there is room for is refused.
 */
export class Blocks {
  readonly #store: ObjectStore
  readonly #bytesMax: number
  readonly #aheadBytesMax: number
  readonly #pool: BufferPool
  /** Here or being read, in the order of their last use. */
  readonly #blocks = new Map<string, Block>()
  /** Blocks to be read, by object, once all that are wanted together are known. */
  #wanted: Map<string, Block[]> | undefined
  /** How large the last blocks turned out to be, on average: objects may be much smaller than a block. */
  #usualBytes = 0
  /** Bytes kept now. */
  bytes = 0
  /** Bytes that readers wait for or use. */
  heldBytes = 0

  constructor(options: BlocksOptions) {
    this.#store = options.store
    this.#bytesMax = options.bytesMax
    this.#aheadBytesMax = options.aheadBytesMax
    this.#pool = options.pool
  }

  /**
   * Reads a range of an object in one piece. With `alignment` the object is read in blocks of that size, whatever is asked
   * for; without it just the range is. `isAhead`: it is not needed yet; undefined if there is no room for it.
   * The bytes' promise rejects with StoreError if the store fails, with CorruptObjectError if the object is missing
   * or ends before the range does.
   */
  read(
    key: string,
    range: ByteRange,
    { alignment, isAhead = false }: { alignment?: number | undefined; isAhead?: boolean } = {},
  ): BlockRead | undefined {
    const places = placesOf(range, alignment)
    if (isAhead && this.heldBytes + this.#cost(key, places) > this.#aheadBytesMax) return undefined
    const blocks = places.map((place) => this.#take(key, place))
    const copies: Buffer[] = []
    return {
      bytes: this.#assembled(key, range, blocks, copies),
      leave: () => {
        for (const block of blocks) {
          block.readers--
          if (block.readers === 0) this.heldBytes -= block.size
        }
      },
      release: () => {
        for (const block of blocks) {
          block.users--
          this.#reuse(block)
        }
        for (const copy of copies) this.#pool.give(copy)
      },
    }
  }

  /** Whether a read of that range would need no I/O. */
  has(key: string, range: ByteRange, alignment?: number): boolean {
    return placesOf(range, alignment).every((place) => this.#blocks.get(nameOf(key, place))?.isHere === true)
  }

  /** The range's bytes: a view of its block, or a copy, which goes into `copies` too. */
  async #assembled(
    key: string,
    { position, length }: ByteRange,
    blocks: readonly Block[],
    copies: Buffer[],
  ): Promise<Buffer> {
    const [first] = blocks
    const start = position - (first?.range.position ?? 0)
    const pieces = blocks.length === 1 && first ? [await first.bytes] : await Promise.all(blocks.map((b) => b.bytes))
    const [only] = pieces
    // A small part is copied, so that it does not keep a large block in memory until it is sent.
    const isView = pieces.length === 1 && only !== undefined && length * pinnedShare >= only.length
    const bytes = isView ? only.subarray(start, start + length) : this.#joined(pieces, start, length)
    if (!isView) copies.push(bytes)
    if (bytes.length < length)
      throw new CorruptObjectError(`${key} ends before byte ${position + length}, where record batches are to be`)
    return bytes
  }

  /** The bytes that readers would hold in addition. */
  #cost(key: string, places: readonly ByteRange[]): number {
    let bytes = 0
    for (const place of places) {
      const block = this.#blocks.get(nameOf(key, place))
      if (block === undefined) bytes += this.#guess(place)
      else if (block.readers === 0) bytes += block.size
    }
    return bytes
  }

  #guess({ length }: ByteRange): number {
    return this.#usualBytes === 0 ? length : Math.min(length, 2 * this.#usualBytes)
  }

  /** The block at that place, now held by one more reader; begins to read it if need be. */
  #take(key: string, place: ByteRange): Block {
    const name = nameOf(key, place)
    let block = this.#blocks.get(name)
    // The most recently used stands last.
    if (block !== undefined) this.#blocks.delete(name)
    else block = this.#wantedBlock(key, name, place)
    this.#blocks.set(name, block)
    if (block.readers === 0) this.heldBytes += block.size
    block.readers++
    block.users++
    return block
  }

  #wantedBlock(key: string, name: string, range: ByteRange): Block {
    let settle: Block['settle']
    const bytes = new Promise<Buffer>((resolve, reject) => {
      settle = { resolve, reject }
    })
    // Whoever still wants it hears of it.
    bytes.catch(() => undefined)
    const block: Block = {
      name,
      range,
      bytes,
      settle,
      size: this.#guess(range),
      isHere: false,
      readers: 0,
      users: 0,
      memory: undefined,
      isEvicted: false,
    }
    if (this.#wanted === undefined) {
      this.#wanted = new Map()
      queueMicrotask(() => this.#readWanted())
    }
    const ofObject = this.#wanted.get(key)
    if (ofObject === undefined) this.#wanted.set(key, [block])
    else ofObject.push(block)
    return block
  }

  /** Begins to read all that was wanted at once, neighbours together. */
  #readWanted(): void {
    const wanted = this.#wanted
    this.#wanted = undefined
    for (const [key, blocks] of wanted ?? []) {
      blocks.sort((a, b) => a.range.position - b.range.position)
      for (let at = 0; at < blocks.length; ) {
        const { position } = (blocks[at] as Block).range
        const run: Block[] = []
        let end = position
        for (let block = blocks[at]; block !== undefined; block = blocks[++at]) {
          const isNext = block.range.position === end && end + block.range.length - position <= readBytesMax
          if (run.length > 0 && !isNext) break
          run.push(block)
          end = block.range.position + block.range.length
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
      const memory: Memory = { bytes: object.bytes, blocks: run.length }
      for (const block of run) {
        block.memory = memory
        const start = block.range.position - range.position
        this.#arrived(block, object.bytes.subarray(start, start + block.range.length))
      }
    } catch (error) {
      for (const block of run) {
        // The next one who wants it tries again.
        this.#blocks.delete(block.name)
        block.settle?.reject(error)
      }
    }
    this.#evict()
  }

  #arrived(block: Block, bytes: Buffer): void {
    this.#usualBytes += (bytes.length - this.#usualBytes) / (this.#usualBytes === 0 ? 1 : 8)
    if (block.readers > 0) this.heldBytes += bytes.length - block.size
    block.size = bytes.length
    block.isHere = true
    this.bytes += bytes.length
    block.settle?.resolve(bytes)
    block.settle = undefined
  }

  #evict(): void {
    for (const [name, block] of this.#blocks) {
      if (this.bytes <= this.#bytesMax) return
      if (!block.isHere) continue
      this.#blocks.delete(name)
      this.bytes -= block.size
      block.isEvicted = true
      this.#reuse(block)
    }
  }

  /** `length` bytes from `start` of blocks that stand side by side, copied; fewer if they end before. */
  #joined(blocks: readonly Buffer[], start: number, length: number): Buffer {
    const bytes = this.#pool.take(length)
    let filled = 0
    for (const [index, block] of blocks.entries()) {
      const from = index === 0 ? start : 0
      filled += block.copy(bytes, filled, from, from + length - filled)
    }
    return bytes.subarray(0, filled)
  }

  /** Has the memory of a block used again that is neither kept nor used, if that holds for its neighbours too. */
  #reuse(block: Block): void {
    const { memory } = block
    if (memory === undefined || !block.isEvicted || block.users > 0) return
    block.memory = undefined
    memory.blocks--
    if (memory.blocks === 0) this.#pool.give(memory.bytes)
  }
}

function placesOf({ position, length }: ByteRange, alignment: number | undefined): ByteRange[] {
  if (alignment === undefined) return [{ position, length }]
  const places: ByteRange[] = []
  for (let at = position - (position % alignment); at < position + length; at += alignment)
    places.push({ position: at, length: alignment })
  return places
}

const nameOf = (key: string, { position, length }: ByteRange) => `${key}#${position}+${length}`
