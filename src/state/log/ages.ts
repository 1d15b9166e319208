import type { Range } from '../views/ranges.js'
import type { State } from '../views/state.js'

/** Values are kept at distances of the longest age divided by this: so exact is it. */
const valuesMax = 8

/** Remembers what something was some time ago, by the monotonic clock of this process; before its start it was nothing. */
export class Aged<Value> {
  readonly #longestMs: number
  /** Oldest first. */
  readonly #values: { atMs: number; value: Value }[] = []

  /** @param longestMs the longest age that will be asked for */
  constructor(longestMs: number) {
    this.#longestMs = longestMs
  }

  /** Notes what it is now. */
  note(nowMs: number, value: Value): void {
    const values = this.#values
    // The newest moves along until it has some distance from the one before.
    const [before, newest] = values.slice(-2)
    const isClose = newest !== undefined && before !== undefined
    if (isClose && newest.atMs - before.atMs < this.#longestMs / valuesMax) values.pop()
    values.push({ atMs: nowMs, value })
    while ((values[1]?.atMs ?? nowMs) <= nowMs - this.#longestMs) values.shift()
  }

  /** What it was at least so long ago, as late as is remembered. */
  before(nowMs: number, ageMs: number): Value | undefined {
    return this.#values.findLast(({ atMs }) => atMs <= nowMs - ageMs)?.value
  }
}

/** What the ledger had come to at some moment. By marks one knows ages without trusting anybody's wall clock. */
export interface Mark {
  /** The last entry applied. */
  sequence: number
  /** Of each writer the index of its last effective part. */
  indexes: ReadonlyMap<number, number>
  /** Writers numbered below this that have no index had been forgotten. */
  writersFrom: number
}

export function markOf(sequence: number, { writers }: State): Mark {
  return { sequence, indexes: writers.indexes(), writersFrom: writers.newFrom }
}

/** Whether a part had its chance at the mark: it had taken effect, or could never come to. */
export function isPartBefore(writer: number, index: number, { indexes, writersFrom }: Mark): boolean {
  const lastIndex = indexes.get(writer)
  return lastIndex === undefined ? writer < writersFrom : index <= lastIndex
}

/** Whether a range was there at the mark. */
export function isBefore(range: Pick<Range, 'writer' | 'number'>, mark: Mark): boolean {
  if (range.writer === 0) return range.number <= mark.sequence
  return range.writer < 0 || isPartBefore(range.writer, range.number, mark)
}
