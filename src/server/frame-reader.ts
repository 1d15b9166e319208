import type { PinnedMemory } from '../base/pinned-memory.js'
import type { RequestBudget } from './request-budget.js'

/** A length that no request frame may have. */
export class FrameLengthError extends Error {
  override readonly name = 'FrameLengthError'
}

/**
 * Where the bytes of a request are to be: left where they were received, since nothing of them is used once its handler
 * has returned; in memory that is pinned and used again; or in memory of their own, which whoever likes may keep.
 */
export type FramePlace = 'asReceived' | 'pinned' | 'kept'

/** To copy so many bytes costs more than another read. */
const largeBytesMin = 16 * 1024

/** What has been received, from `start` to `end`. */
interface Chunk {
  bytes: Buffer
  start: number
  end: number
  /** It is the reader's for the moment only. */
  isLent: boolean
}

/**
 * Cuts what a socket delivers into frames: a 32-bit length, then so many bytes, of which the first two name the API. All
 * bytes of a returned frame are taken from the budget; who gets it gives them back.
 */
export class FrameReader {
  readonly #budget: RequestBudget
  readonly #memory: PinnedMemory
  readonly #placeOf: (apiKey: number) => FramePlace
  readonly #chunks: Chunk[] = []
  #unreadBytes = 0
  #frame: Buffer | undefined
  #filled = 0
  #refusedBytes = 0
  #awaitsBytes = false
  /** The size of the last frame that has begun. */
  #lastBytes = 0

  /** `placeOf` says where the frame of a request of that API is to be. */
  constructor(budget: RequestBudget, memory: PinnedMemory, placeOf: (apiKey: number) => FramePlace) {
    this.#budget = budget
    this.#memory = memory
    this.#placeOf = placeOf
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

  /** Whether the last frame was so large that it is better not read before its place is known. */
  get isLarge(): boolean {
    return this.#lastBytes > largeBytesMin
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

  /** Takes the first bytes of `chunk`, which are the reader's until `keep` is called. */
  push(chunk: Buffer, bytes: number): void {
    this.#awaitsBytes = false
    this.#chunks.push({ bytes: chunk, start: 0, end: bytes, isLent: true })
    this.#unreadBytes += bytes
  }

  /** Copies what was pushed and belongs to no frame yet: the chunk is no longer the reader's. */
  keep(): void {
    const last = this.#chunks.at(-1)
    if (last === undefined || !last.isLent) return
    last.bytes = Buffer.from(last.bytes.subarray(last.start, last.end))
    last.end -= last.start
    last.start = 0
    last.isLent = false
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
      const length = this.#peekInteger(0, 4)
      if (length < 0 || length > frameBytesMax)
        throw new FrameLengthError(`a request of ${length} bytes was announced, ${frameBytesMax} are allowed`)
      if (!this.#budget.take(length)) {
        this.#refusedBytes = length
        return undefined
      }
      this.#lastBytes = length
      const chunk = this.#chunks[0]
      const isWhole = chunk !== undefined && chunk.end - chunk.start >= 4 + length
      const place = this.#unreadBytes < 6 ? 'pinned' : this.#placeOf(this.#peekInteger(4, 2))
      if (isWhole && (place === 'asReceived' || (place === 'kept' && !chunk.isLent))) {
        const frame = chunk.bytes.subarray(chunk.start + 4, chunk.start + 4 + length)
        this.#skip(4 + length)
        return frame
      }
      this.#skip(4)
      this.#frame = place === 'kept' ? Buffer.allocUnsafe(length) : this.#memory.take(length)
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
      const count = Math.min(chunk.end - chunk.start, frame.length - this.#filled)
      chunk.bytes.copy(frame, this.#filled, chunk.start, chunk.start + count)
      this.#filled += count
      this.#skip(count)
    }
    this.#frame = undefined
    return frame
  }

  /** A signed big-endian integer of two or four bytes, so far from the first that is unread. */
  #peekInteger(offset: number, size: 2 | 4): number {
    const chunk = this.#chunks[0]
    if (chunk !== undefined && chunk.end - chunk.start >= offset + size) {
      const at = chunk.start + offset
      return size === 4 ? chunk.bytes.readInt32BE(at) : chunk.bytes.readInt16BE(at)
    }
    let value = 0
    for (let i = offset; i < offset + size; i++) value = (value << 8) | this.#byteAt(i)
    return size === 4 ? value : (value << 16) >> 16
  }

  #byteAt(offset: number): number {
    let before = 0
    for (const { bytes, start, end } of this.#chunks) {
      if (offset - before < end - start) return bytes[start + offset - before] as number
      before += end - start
    }
    return 0
  }

  #skip(bytes: number): void {
    this.#unreadBytes -= bytes
    let left = bytes
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const count = Math.min(left, chunk.end - chunk.start)
      chunk.start += count
      left -= count
      if (chunk.start < chunk.end) return
      this.#chunks.shift()
    }
  }
}
