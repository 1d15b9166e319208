import type { BufferPool } from '../../base/buffer-pool.js'

/** The first buffer for copies, and the largest but for a copy that is larger, bytes. */
const bufferBytesMin = 4 * 1024
const bufferBytesMax = 256 * 1024

/** Memory that is used until it is released. */
export interface Held {
  release(): void
}

/** With the bytes in it. */
export interface HeldBytes extends Held {
  readonly bytes: Buffer
}

/**
 * The memory of one answer's batches. Small ones are copied, one behind the other, into a few buffers, so that an answer
 * of many of them is not a list of many pieces; of others the memory in which they are is held until all has been sent.
 */
export class AnswerMemory {
  readonly #pool: BufferPool
  readonly mayBorrow: boolean
  #held: Held[] = []
  #copies: Buffer[] = []
  #copied = 0
  /** Where the next copy goes: `free` is the first byte of `buffer` that nobody has taken. */
  buffer: Buffer | undefined = undefined
  free = 0

  /**
   * @param pool where the memory of copies comes from.
   * @param mayBorrow it is sure to be released: so it may hold what somebody else lends, and wants back.
   */
  constructor(pool: BufferPool, mayBorrow: boolean) {
    this.#pool = pool
    this.mayBorrow = mayBorrow
  }

  /** Makes room for `length` bytes; they are for the caller to fill, from `free` on, and to take by moving it. */
  room(length: number): Buffer {
    if (this.buffer !== undefined && this.buffer.length - this.free >= length) return this.buffer
    // As large as all before, so that little is left over, whether the answer turns out to be large or small.
    this.#copied += this.free
    const size = Math.max(length, Math.min(Math.max(this.#copied, bufferBytesMin), bufferBytesMax))
    const buffer = this.#pool.take(size)
    this.#copies.push(buffer)
    this.buffer = buffer
    this.free = 0
    return buffer
  }

  hold(held: Held): void {
    this.#held.push(held)
  }

  /** Nobody uses any of it any more. Without it, what is not borrowed is left to the garbage collector. */
  release(): void {
    for (const held of this.#held) held.release()
    for (const copy of this.#copies) this.#pool.give(copy)
    this.#held = []
    this.#copies = []
    this.buffer = undefined
  }
}
