import type { BufferPool } from '../../base/buffer-pool.js'
import { patchedHeader, patchedHeaderBytes, patchInPlace } from '../../protocol/records/batch.js'
import type { ReadOptions, ReadResult } from '../cluster.js'
import type { PlacedBatch } from './reader.js'

/** Batches up to this size are copied, so that a fetch of many small ones does not become a list of many pieces, bytes. */
const copiedBytesMax = 32 * 1024
/** There is one leader for ever: the store. Its epoch never changes. */
const leaderEpoch = 0

interface Released {
  release(): void
}

/** Collects batches for a reader, each with its offset filled in. */
export class GatheredBatches {
  isFull = false
  /** Taken so far. */
  bytes = 0
  readonly #options: ReadOptions
  readonly #pool: BufferPool
  readonly #pieces: Buffer[] = []
  /** Small batches that stand together, still to be copied. */
  #small: PlacedBatch[] = []
  #smallBytes = 0
  /** Batches that lie side by side in memory, to be one piece. */
  #run: { memory: ArrayBufferLike; start: number; end: number } | undefined
  /** Whose memory is used again once all is sent. */
  readonly #copies: Buffer[] = []
  readonly #taken: Released[] = []

  /** @param pool where the memory of copies comes from. */
  constructor(options: ReadOptions, pool: BufferPool) {
    this.#options = options
    this.#pool = pool
  }

  /**
   * Whether it was taken; if not, nothing more is. `isOurs`: the bytes were read from the store, and readers alone use
   * them. All readers give a batch the same offset, so it is filled in where it lies. Other bytes may be on their way to
   * the store just now, and must not change.
   */
  add(batch: PlacedBatch, isOurs: boolean): boolean {
    const size = batch.bytes.length
    const isFirst = this.bytes === 0 && this.#options.strict !== true
    if (this.bytes + size > this.#options.bytesMax && !isFirst) {
      this.isFull = true
      return false
    }
    this.bytes += size
    if (this.bytes >= this.#options.bytesMax) this.isFull = true
    if (isOurs) this.#addOurs(batch)
    else if (size <= copiedBytesMax) {
      this.#endRun()
      this.#small.push(batch)
      this.#smallBytes += size
    } else {
      this.#endRun()
      this.#copySmall()
      this.#pieces.push(
        patchedHeader(batch.bytes, batch.baseOffset, leaderEpoch),
        batch.bytes.subarray(patchedHeaderBytes),
      )
    }
    return true
  }

  /** Batches come from there: it may be released once they have been sent. */
  took(read: Released): void {
    this.#taken.push(read)
  }

  finish(): ReadResult {
    this.#copySmall()
    this.#endRun()
    const [taken, copies] = [this.#taken, this.#copies]
    return {
      batches: this.#pieces,
      bytes: this.bytes,
      release: () => {
        for (const read of taken.splice(0)) read.release()
        for (const copy of copies.splice(0)) this.#pool.give(copy)
      },
    }
  }

  #addOurs({ bytes, baseOffset }: PlacedBatch): void {
    this.#copySmall()
    patchInPlace(bytes, 0, baseOffset, leaderEpoch)
    const end = bytes.byteOffset + bytes.length
    if (this.#run?.memory === bytes.buffer && this.#run.end === bytes.byteOffset) this.#run.end = end
    else {
      this.#endRun()
      this.#run = { memory: bytes.buffer, start: bytes.byteOffset, end }
    }
  }

  #endRun(): void {
    if (this.#run === undefined) return
    const { memory, start, end } = this.#run
    this.#pieces.push(Buffer.from(memory, start, end - start))
    this.#run = undefined
  }

  #copySmall(): void {
    if (this.#small.length === 0) return
    const copy = this.#pool.take(this.#smallBytes)
    let at = 0
    for (const { bytes, baseOffset } of this.#small) {
      bytes.copy(copy, at)
      patchInPlace(copy, at, baseOffset, leaderEpoch)
      at += bytes.length
    }
    this.#pieces.push(copy)
    this.#copies.push(copy)
    this.#small = []
    this.#smallBytes = 0
  }
}
