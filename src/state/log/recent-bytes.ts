import { noPins, type Pins } from '../../base/pinned-memory.js'
import type { ObjectRef } from '../views/view.js'

/** Record bytes of one object, by their positions in it. Pieces begin and end at batches. */
interface KeptObject {
  /** Ascending; `pieces[i]` begins at `positions[i]`. */
  positions: number[]
  pieces: Buffer[]
  bytes: number
}

/**
 * The record bytes that this instance had in memory lately: what it wrote itself, and what came with the heads of
 * others' entries. A reader at the tail finds them here and costs the store nothing. Bounded in bytes; what came
 * first goes first, since consumers read forward.
 */
export class RecentBytes {
  readonly #bytesMax: number
  readonly #pins: Pins
  readonly #objects = new Map<string, KeptObject>()
  /** Bytes kept now. */
  bytes = 0

  constructor(bytesMax: number, pins: Pins = noPins) {
    this.#bytesMax = bytesMax
    this.#pins = pins
  }

  /** Keeps pieces that lie one after the other from `position` on. */
  keep(object: ObjectRef, position: number, pieces: readonly Buffer[]): void {
    const key = keyOf(object)
    let kept = this.#objects.get(key)
    if (kept === undefined) {
      kept = { positions: [], pieces: [], bytes: 0 }
      this.#objects.set(key, kept)
    }
    const lastPosition = kept.positions.at(-1)
    if (lastPosition !== undefined && lastPosition >= position) return
    let at = position
    for (const piece of pieces) {
      kept.positions.push(at)
      kept.pieces.push(piece)
      this.#pins.pin(piece)
      at += piece.length
    }
    kept.bytes += at - position
    this.bytes += at - position
    this.#evict()
  }

  /** The bytes of a range, in pieces; undefined unless all of it is here. */
  find(object: ObjectRef, position: number, length: number): Buffer[] | undefined {
    const kept = this.#objects.get(keyOf(object))
    if (kept === undefined) return undefined
    const found: Buffer[] = []
    const end = position + length
    for (let at = position, index = lastAtMost(kept.positions, position); at < end; index++) {
      const piece = kept.pieces[index]
      if (piece === undefined) return undefined
      const start = at - (kept.positions[index] as number)
      if (start < 0 || start >= piece.length) return undefined
      // The piece before it ends within a batch: an entry's first read brought no more of it.
      if (found.length > 0 && start > 0) return undefined
      const part = piece.subarray(start, Math.min(piece.length, start + end - at))
      found.push(part)
      at += part.length
    }
    return found
  }

  #evict(): void {
    for (const [key, kept] of this.#objects) {
      if (this.bytes <= this.#bytesMax) return
      this.#objects.delete(key)
      this.bytes -= kept.bytes
      for (const piece of kept.pieces) this.#pins.unpin(piece)
    }
  }
}

const keyOf = (object: ObjectRef) => `${object.writer}/${object.number}`

/** The index of the last position that is not beyond `position`; -1 if there is none. */
function lastAtMost(positions: readonly number[], position: number): number {
  let low = 0
  let high = positions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((positions[middle] as number) <= position) low = middle + 1
    else high = middle
  }
  return low - 1
}
