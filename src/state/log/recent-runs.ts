/** Runs of one group, at most, and those that there is room for at first. */
const runsMax = 512
const runsMin = 32
/** Numbers of a run: the object's number, its position in the object, where it begins in its memory, its length. */
const stride = 4
const NUMBER = 0
const POSITION = 1
const START = 2
const LENGTH = 3

/** A part of a run. */
export interface RunPart {
  bytes: Buffer
  /** Whether it begins where its run does. */
  isFirst: boolean
}

/**
 * Pieces of some objects of one writer, in the order of their numbers and positions. There may be hundreds of thousands of
 * small ones: an object and a map's entry for each would live long enough for the garbage collector to move it twice and mark it
 * again and again, which cost up to two fifths of what small requests cost. So they are rows of a table.
 */
export class RecentRuns {
  readonly writer: number
  bytes = 0
  #rows = new Float64Array(runsMin * stride)
  readonly #memories: ArrayBufferLike[] = []

  constructor(writer: number) {
    this.writer = writer
  }

  get isFull(): boolean {
    return this.#memories.length === runsMax
  }

  /** Adds a piece. There is room for it, and it is not here yet. */
  add(number: number, position: number, piece: Buffer): void {
    const count = this.#memories.length
    const index = this.#after(number, position)
    const rows = this.#withRoom(count + 1)
    // It is the last one, but for entries of others: several are read at once, and come in any order.
    if (index < count) rows.copyWithin((index + 1) * stride, index * stride, count * stride)
    const row = index * stride
    rows[row + NUMBER] = number
    rows[row + POSITION] = position
    rows[row + START] = piece.byteOffset
    rows[row + LENGTH] = piece.length
    if (index < count) this.#memories.splice(index, 0, piece.buffer)
    else this.#memories.push(piece.buffer)
    this.bytes += piece.length
  }

  /** Whether there may be something of that object. */
  mayHave(number: number): boolean {
    const last = (this.#memories.length - 1) * stride
    return (this.#rows[last + NUMBER] as number) >= number && (this.#rows[NUMBER] as number) <= number
  }

  /** What is here of that object from `position` on, as far as its run and `end` go; undefined if nothing is there. */
  partAt(number: number, position: number, end: number): RunPart | undefined {
    const index = this.#after(number, position) - 1
    const row = index * stride
    const rows = this.#rows
    if (index < 0 || rows[row + NUMBER] !== number) return undefined
    const skipped = position - (rows[row + POSITION] as number)
    const length = Math.min((rows[row + LENGTH] as number) - skipped, end - position)
    if (length <= 0) return undefined
    const memory = this.#memories[index] as ArrayBuffer
    return { bytes: Buffer.from(memory, (rows[row + START] as number) + skipped, length), isFirst: skipped === 0 }
  }

  /** Where the last run of that object begins; -1 if there is none. */
  lastPositionOf(number: number): number {
    const row = (this.#after(number, Number.POSITIVE_INFINITY) - 1) * stride
    return row >= 0 && this.#rows[row + NUMBER] === number ? (this.#rows[row + POSITION] as number) : -1
  }

  /** The memory of each run. */
  memories(): { buffer: ArrayBufferLike }[] {
    return this.#memories.map((buffer) => ({ buffer }))
  }

  #withRoom(count: number): Float64Array {
    if (count * stride > this.#rows.length) {
      const rows = new Float64Array(this.#rows.length * 2)
      rows.set(this.#rows)
      this.#rows = rows
    }
    return this.#rows
  }

  /** The index of the first run that comes after that place; the number of runs if none does. */
  #after(number: number, position: number): number {
    const rows = this.#rows
    const isBefore = (index: number) => {
      const row = index * stride
      const other = rows[row + NUMBER] as number
      return other < number || (other === number && (rows[row + POSITION] as number) <= position)
    }
    let high = this.#memories.length
    if (high === 0 || isBefore(high - 1)) return high
    let low = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(middle)) low = middle + 1
      else high = middle
    }
    return low
  }
}
