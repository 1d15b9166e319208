import type { BufferPool } from './buffer-pool.js'

/**
 * Says who still uses memory that is used again: each `pin` is answered by one `unpin`, and after the last one the bytes are
 * not to be looked at. Both take any view of the memory; of memory that is not used again they know nothing.
 * To forget an `unpin` costs time only: then the garbage collector takes the memory. So whoever is in doubt does.
 */
export interface Pins {
  pin(bytes: Buffer): void
  unpin(bytes: Buffer): void
}

export const noPins: Pins = { pin() {}, unpin() {} }

export interface PinnedMemoryOptions {
  /** Smaller memory is left to the garbage collector, bytes; 64 KiB unless given. */
  bytesMin?: number
  /** Is told of memory that goes back, before somebody else gets it. */
  whenFree?: (memory: Buffer) => void
}

/** Memory of a pool that several use at a time: it goes back once none of them does any more. */
export class PinnedMemory implements Pins {
  readonly #pool: BufferPool
  readonly #pins = new WeakMap<ArrayBufferLike, number>()
  readonly #bytesMin: number
  readonly #whenFree: ((memory: Buffer) => void) | undefined

  constructor(pool: BufferPool, { bytesMin = 64 * 1024, whenFree }: PinnedMemoryOptions = {}) {
    this.#pool = pool
    this.#bytesMin = bytesMin
    this.#whenFree = whenFree
  }

  /** Bytes that wait to be used again. */
  get idleBytes(): number {
    return this.#pool.idleBytes
  }

  /** A buffer of `length` bytes with any content, pinned once. */
  take(length: number): Buffer {
    if (length < this.#bytesMin) return Buffer.allocUnsafeSlow(length)
    const bytes = this.#pool.take(length)
    this.#pins.set(bytes.buffer, 1)
    return bytes
  }

  pin({ buffer }: Buffer): void {
    const pins = this.#pins.get(buffer)
    if (pins !== undefined) this.#pins.set(buffer, pins + 1)
  }

  unpin(bytes: Buffer): void {
    const { buffer } = bytes
    const pins = this.#pins.get(buffer)
    if (pins === undefined) return
    if (pins > 1) {
      this.#pins.set(buffer, pins - 1)
      return
    }
    this.#pins.delete(buffer)
    this.#whenFree?.(Buffer.from(buffer as ArrayBuffer))
    this.#pool.give(bytes)
  }
}
