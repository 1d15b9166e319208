import type { PinnedMemory } from '../base/pinned-memory.js'
import type { RequestBudget } from './request-budget.js'

/** A length that no request frame may have. */
export class FrameLengthError extends Error {
  override readonly name = 'FrameLengthError'
}

/** Frames up to this many bytes come from node's pool when they must be put together. */
const pooledBytesMax = 2048

/**
 * Cuts what a socket delivers into frames: a 32-bit length, then so many bytes. A frame that lies whole in one chunk is a
 * view of it; any other is put together in one buffer of its size, for which the budget is asked first. All bytes
 * of a returned frame are taken from the budget; who gets it gives them back. It is pinned once.
 */
export class FrameReader {
  readonly #budget: RequestBudget
  readonly #memory: PinnedMemory
  readonly #chunks: Buffer[] = []
  #position = 0
  #unreadBytes = 0
  #frame: Buffer | undefined
  #filled = 0
  #refusedBytes = 0
  #awaitsBytes = false

  constructor(budget: RequestBudget, memory: PinnedMemory) {
    this.#budget = budget
    this.#memory = memory
  }

  /** Bytes that have come and belong to no frame yet. */
  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** The size of the frame that the budget had no room for when last asked, or 0. */
  get refusedBytes(): number {
    return this.#refusedBytes
  }

  /** Whether a frame has begun whose rest has yet to come. */
  get awaitsBytes(): boolean {
    return this.#awaitsBytes
  }

  /** What is still missing of a frame that has begun, so that it can be read into its place. */
  target(): Buffer | undefined {
    return this.#awaitsBytes ? this.#frame?.subarray(this.#filled) : undefined
  }

  /** So many bytes of the target have been read. */
  landed(bytes: number): void {
    this.#awaitsBytes = false
    this.#filled += bytes
  }

  push(chunk: Buffer): void {
    this.#awaitsBytes = false
    this.#chunks.push(chunk)
    this.#unreadBytes += chunk.length
  }

  /**
   * The next frame, without its length, if it is complete.
   * @throws FrameLengthError when its length is negative or more than `frameBytesMax`.
   */
  next(frameBytesMax: number): Buffer | undefined {
    this.#refusedBytes = 0
    if (this.#frame === undefined) {
      if (this.#unreadBytes < 4) {
        this.#awaitsBytes = this.#unreadBytes > 0
        return undefined
      }
      const length = this.#peekLength()
      if (length < 0 || length > frameBytesMax)
        throw new FrameLengthError(`a request of ${length} bytes was announced, ${frameBytesMax} are allowed`)
      if (!this.#budget.take(length)) {
        this.#refusedBytes = length
        return undefined
      }
      this.#skip(4)
      const chunk = this.#chunks[0]
      if (chunk !== undefined && chunk.length - this.#position >= length) {
        const frame = chunk.subarray(this.#position, this.#position + length)
        this.#skip(length)
        return frame
      }
      this.#frame = length > pooledBytesMax ? this.#memory.take(length) : Buffer.allocUnsafe(length)
      this.#filled = 0
    }
    return this.#fill(this.#frame)
  }

  /** Drops what has come, and gives a frame's bytes back that was being put together. */
  discard(): void {
    if (this.#frame !== undefined) this.#budget.release(this.#frame.length)
    this.#frame = undefined
    this.#chunks.length = 0
    this.#unreadBytes = 0
  }

  #fill(frame: Buffer): Buffer | undefined {
    while (this.#filled < frame.length) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) {
        this.#awaitsBytes = true
        return undefined
      }
      const count = Math.min(chunk.length - this.#position, frame.length - this.#filled)
      chunk.copy(frame, this.#filled, this.#position, this.#position + count)
      this.#filled += count
      this.#skip(count)
    }
    this.#frame = undefined
    return frame
  }

  #peekLength(): number {
    const chunk = this.#chunks[0]
    if (chunk !== undefined && chunk.length - this.#position >= 4) return chunk.readInt32BE(this.#position)
    let length = 0
    let index = 0
    let position = this.#position
    for (let i = 0; i < 4; i++) {
      while (position >= (this.#chunks[index]?.length ?? 0)) {
        index++
        position = 0
      }
      length = (length << 8) | (this.#chunks[index]?.[position++] ?? 0)
    }
    return length
  }

  #skip(bytes: number): void {
    this.#unreadBytes -= bytes
    this.#position += bytes
    let chunk = this.#chunks[0]
    while (chunk !== undefined && this.#position >= chunk.length) {
      this.#position -= chunk.length
      this.#chunks.shift()
      chunk = this.#chunks[0]
    }
  }
}
