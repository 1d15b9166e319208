import { CorruptObjectError } from '../../base/errors.js'
import { baseOffsetOf, batchHeaderBytes, batchSizeOf, lastOffsetDeltaOf } from '../../protocol/records/batch.js'
import type { Range } from '../views/ranges.js'

/** A whole batch as it lies in the store, and the offset of its first record. */
export interface PlacedBatch {
  bytes: Buffer
  baseOffset: number
  /** The offset of its last record. */
  lastOffset: number
}

/**
 * The batches of a range's bytes, each with its place in the log. Those in segments know it; between them, and after the
 * last, there may be gaps. Others follow one another from the range's beginning to its end.
 * @throws CorruptObjectError if they don't.
 */
export function* placedBatches(range: Range, pieces: readonly Buffer[]): Generator<PlacedBatch> {
  const walk = new BatchWalk(range)
  for (const piece of pieces) {
    walk.enter(piece, 0, piece.length)
    while (walk.next())
      yield {
        bytes: piece.subarray(walk.position, walk.position + walk.size),
        baseOffset: walk.baseOffset,
        lastOffset: walk.lastOffset,
      }
  }
  walk.finish()
}

/** `placedBatches` for readers: says where each batch is, and makes nothing of it. */
export class BatchWalk {
  /** Of the batch at which it is: where it begins, its bytes, and the offsets of its first and its last record. */
  position = 0
  size = 0
  baseOffset = 0
  lastOffset = 0
  readonly #range: Range
  readonly #isInSegment: boolean
  #bytes: Buffer | undefined
  #rest = 0
  #end = 0
  #nextOffset: number

  constructor(range: Range) {
    this.#range = range
    this.#isInSegment = range.writer < 0
    this.#nextOffset = range.baseOffset
  }

  /** Goes on with the whole batches between two positions. */
  enter(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#rest = start
    this.#end = end
  }

  /** Goes to the next batch of what was entered last; false if there is none. */
  next(): boolean {
    const bytes = this.#bytes
    const at = this.#rest
    if (bytes === undefined || at >= this.#end) return false
    const size = this.#end - at < batchHeaderBytes ? 0 : batchSizeOf(bytes, at)
    let baseOffset = this.#nextOffset
    if (size < batchHeaderBytes || at + size > this.#end)
      throw new CorruptObjectError(`a stored record batch at offset ${baseOffset} has a size of ${size} bytes`)
    const delta = lastOffsetDeltaOf(bytes, at)
    if (this.#isInSegment) {
      const written = baseOffsetOf(bytes, at)
      if (written < baseOffset || written + delta >= this.#range.endOffset)
        throw new CorruptObjectError(`a stored record batch at offset ${baseOffset} claims offset ${written}`)
      baseOffset = written
    }
    this.position = at
    this.size = size
    this.baseOffset = baseOffset
    this.lastOffset = baseOffset + delta
    this.#nextOffset = baseOffset + delta + 1
    this.#rest = at + size
    return true
  }

  /** @throws CorruptObjectError if there should have been more batches, or fewer. */
  finish(): void {
    const { baseOffset, endOffset } = this.#range
    if (!this.#isInSegment && this.#nextOffset !== endOffset)
      throw new CorruptObjectError(`the batches of offsets ${baseOffset} to ${endOffset} end at ${this.#nextOffset}`)
  }
}
