import type { Pins } from '../../base/pinned-memory.js'
import { batchSizeOf, lastOffsetDeltaOf, patchedHeaderBytes, patchInPlace } from '../../protocol/records/batch.js'
import type { ReadOptions } from '../cluster.js'
import type { Range } from '../views/ranges.js'
import type { AnswerMemory, Held, HeldBytes } from './answer-memory.js'
import { BatchWalk } from './placed-batches.js'

/** Batches of others up to this size are copied: to send two pieces costs as much, bytes. */
const copiedBatchBytesMax = 8 * 1024
/** Of memory that readers alone use so little is copied, so as not to hold all of it; less than this share of it, too. */
const copiedBytesMax = 4 * 1024
const heldShare = 8
/** There is one leader for ever: the store. Its epoch never changes. */
const leaderEpoch = 0

/** Collects batches of one partition for a reader, each with its offset filled in. */
export class GatheredBatches {
  /** Pieces of whole batches, in their order; all of them once `end` was called. */
  readonly pieces: Buffer[] = []
  isFull = false
  /** Taken so far. */
  bytes = 0
  /** The offset from which on batches are wanted. */
  next: number
  readonly #memory: AnswerMemory
  readonly #bytesMax: number
  readonly #isStrict: boolean
  /** What lies side by side in memory, to be one piece. */
  #run: ArrayBufferLike | undefined = undefined
  #runStart = 0
  #runEnd = 0

  constructor(memory: AnswerMemory, offset: number, { bytesMax, strict }: ReadOptions) {
    this.#memory = memory
    this.next = offset
    this.#bytesMax = bytesMax
    this.#isStrict = strict === true
  }

  /**
   * Takes what is wanted of a range that lies between two positions of memory that readers alone use. All of them give a
   * batch the same offset, so it is filled in where it lies. `held`: that memory, used by this reader from now on; without
   * it, it is the answer's own. Gives the position behind what it took.
   * @throws CorruptObjectError
   */
  take(range: Range, bytes: Buffer, start: number, end: number, held?: Held): number {
    const walk = new BatchWalk(range)
    walk.enter(bytes, start, end)
    let from = start
    let to = start
    while (walk.next()) {
      if (walk.lastOffset < this.next) {
        from = walk.position + walk.size
        to = from
        continue
      }
      if (!this.#fits(walk.size)) break
      patchInPlace(bytes, walk.position, walk.baseOffset, leaderEpoch)
      to = walk.position + walk.size
    }
    if (!this.isFull) walk.finish()
    this.next = range.endOffset
    const length = to - from
    if (held === undefined) {
      if (length > 0) this.#add(bytes, from, to)
    } else if (length <= copiedBytesMax || length * heldShare < bytes.length) {
      if (length > 0) this.#copy(bytes, from, to)
      held.release()
    } else {
      this.#add(bytes, from, to)
      this.#memory.hold(held)
    }
    return to
  }

  /**
   * As `take`, of blocks that stand side by side, the first of which has the range's beginning at `start`: they are copied,
   * and released.
   * @throws CorruptObjectError
   */
  takeJoined(range: Range, blocks: readonly HeldBytes[], start: number): void {
    const memory = this.#memory
    const copy = memory.room(range.length)
    const at = memory.free
    let end = at
    for (const [index, block] of blocks.entries()) {
      const from = index === 0 ? start : 0
      end += block.bytes.copy(copy, end, from, from + range.length - (end - at))
      block.release()
    }
    memory.free = this.take(range, copy, at, end)
  }

  /**
   * Takes what is wanted of a range from memory that others use too: it may be on its way to the store just now, and must
   * not change.
   * @throws CorruptObjectError
   */
  takeShared(range: Range, pieces: readonly Buffer[], pins: Pins): void {
    const walk = new BatchWalk(range)
    for (const piece of pieces) {
      walk.enter(piece, 0, piece.length)
      // Small batches side by side that are still to be copied, if `to` is not 0.
      let from = 0
      let to = 0
      let baseOffset = 0
      let isPinned = false
      while (walk.next()) {
        if (walk.lastOffset < this.next) continue
        if (!this.#fits(walk.size)) break
        const { position, size } = walk
        if (size <= copiedBatchBytesMax) {
          if (to === 0) {
            from = position
            baseOffset = walk.baseOffset
          }
          to = position + size
          continue
        }
        this.#copyShared(piece, from, to, baseOffset)
        from = to = 0
        this.#copyShared(piece, position, position + patchedHeaderBytes, walk.baseOffset)
        if (!isPinned) {
          pins.pin(piece)
          this.#memory.hold({ release: () => pins.unpin(piece) })
          isPinned = true
        }
        this.#add(piece, position + patchedHeaderBytes, position + size)
      }
      this.#copyShared(piece, from, to, baseOffset)
      if (this.isFull) break
    }
    if (!this.isFull) walk.finish()
    this.next = range.endOffset
  }

  /** Whether what it holds is sure to be released. */
  get mayBorrow(): boolean {
    return this.#memory.mayBorrow
  }

  /** No more batches come. */
  end(): void {
    if (this.#run === undefined) return
    this.pieces.push(Buffer.from(this.#run as ArrayBuffer, this.#runStart, this.#runEnd - this.#runStart))
    this.#run = undefined
  }

  /** Whether a batch of so many bytes is taken; if not, nothing more is. */
  #fits(size: number): boolean {
    const isFirst = this.bytes === 0 && !this.#isStrict
    if (this.bytes + size > this.#bytesMax && !isFirst) {
      this.isFull = true
      return false
    }
    this.bytes += size
    if (this.bytes >= this.#bytesMax) this.isFull = true
    return true
  }

  #add(bytes: Buffer, from: number, to: number): void {
    const memory = bytes.buffer
    const start = bytes.byteOffset + from
    if (this.#run === memory && this.#runEnd === start) {
      this.#runEnd += to - from
      return
    }
    this.end()
    this.#run = memory
    this.#runStart = start
    this.#runEnd = start + to - from
  }

  #copy(bytes: Buffer, from: number, to: number): void {
    const memory = this.#memory
    const copy = memory.room(to - from)
    bytes.copy(copy, memory.free, from, to)
    this.#add(copy, memory.free, memory.free + to - from)
    memory.free += to - from
  }

  /** Copies batches that follow one another, or the head of one, and fills in their offsets. */
  #copyShared(bytes: Buffer, from: number, to: number, firstOffset: number): void {
    if (from === to) return
    this.#copy(bytes, from, to)
    const copy = this.#memory.buffer as Buffer
    const end = this.#memory.free
    let baseOffset = firstOffset
    for (let batch = end - (to - from); batch < end; ) {
      patchInPlace(copy, batch, baseOffset, leaderEpoch)
      if (end - batch <= patchedHeaderBytes) break
      baseOffset += lastOffsetDeltaOf(copy, batch) + 1
      batch += batchSizeOf(copy, batch)
    }
  }
}
