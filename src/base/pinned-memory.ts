import type { BufferPool } from './buffer-pool.js'

/**
 * Says who still uses memory that is used again: each `pin` is answered by one `unpin`, and after the last one the bytes are
 * not to be looked at. Both take any view of the memory; of memory that is not used again they know nothing.
 * To forget an `unpin` costs time only: then the garbage collector takes the memory. So whoever is in doubt does.
 */
export interface Pins {
  pin(bytes: { readonly buffer: ArrayBufferLike }): void
  unpin(bytes: { readonly buffer: ArrayBufferLike }): void
}

export const noPins: Pins = { pin() {}, unpin() {} }

export interface PinnedMemoryOptions {
  /** Memory of up to so many bytes is cut from larger pieces, which go back as a whole; 4 KiB unless given. */
  sharedBytesMax?: number
  /** Is told of memory that goes back, before somebody else gets it. */
  whenFree?: (memory: Buffer) => void
}

/**
 * Pieces from which small memory is cut, bytes: many a piece, so that a piece costs little, and few enough that one who keeps
 * a little for long does not keep much from being used.
 */
const sharedPieceBytes = 32 * 1024
/** Memory begins at a multiple of so many bytes. */
const alignment = 8

/** How many use a piece of memory, and whose it is; it stands on the memory itself, where any view finds it at once. */
interface Use {
  readonly owner: PinnedMemory
  pins: number
}

const useOf = Symbol('use')
type Memory = ArrayBufferLike & { [useOf]?: Use }

/** Memory of a pool that several use at a time: it goes back once none of them does any more. */
export class PinnedMemory implements Pins {
  readonly #pool: BufferPool
  readonly #sharedBytesMax: number
  readonly #whenFree: ((memory: Buffer) => void) | undefined
  /** What small memory is cut from now; pinned once for what is still to be cut. */
  #shared: Buffer | undefined
  #sharedUsed = 0

  constructor(pool: BufferPool, { sharedBytesMax = 4 * 1024, whenFree }: PinnedMemoryOptions = {}) {
    this.#pool = pool
    this.#sharedBytesMax = sharedBytesMax
    this.#whenFree = whenFree
  }

  /** Bytes that wait to be used again. */
  get idleBytes(): number {
    return this.#pool.idleBytes
  }

  /** A buffer of `length` bytes with any content, pinned once. */
  take(length: number): Buffer {
    return length > this.#sharedBytesMax ? this.#takeWhole(length) : this.#cut(length)
  }

  pin(bytes: { readonly buffer: ArrayBufferLike }): void {
    const use = (bytes.buffer as Memory)[useOf]
    if (use !== undefined && use.pins > 0 && use.owner === this) use.pins++
  }

  unpin(bytes: { readonly buffer: ArrayBufferLike }): void {
    const memory = bytes.buffer as Memory
    const use = memory[useOf]
    if (use === undefined || use.pins === 0 || use.owner !== this) return
    if (--use.pins > 0) return
    const whole = Buffer.from(memory as ArrayBuffer)
    this.#whenFree?.(whole)
    this.#pool.give(whole)
  }

  #takeWhole(length: number): Buffer {
    const bytes = this.#pool.take(length)
    const memory = bytes.buffer as Memory
    const use = memory[useOf]
    if (use?.owner === this) use.pins = 1
    else memory[useOf] = { owner: this, pins: 1 }
    return bytes
  }

  #cut(length: number): Buffer {
    let piece = this.#shared
    if (piece === undefined || piece.length - this.#sharedUsed < length) {
      if (piece !== undefined) this.unpin(piece)
      piece = this.#takeWhole(sharedPieceBytes)
      this.#shared = piece
      this.#sharedUsed = 0
    }
    const start = this.#sharedUsed
    this.#sharedUsed = start + Math.ceil(length / alignment) * alignment
    this.pin(piece)
    return piece.subarray(start, start + length)
  }
}
