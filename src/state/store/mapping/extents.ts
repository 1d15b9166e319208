import { assert } from '../../../base/assert.js'

/** Consecutive units. */
interface Extent {
  start: number
  length: number
}

/** Which of a number of units are free: of each taking the first that suffices, so that what is used stays close together. */
export class Extents {
  /** In their order; between two of them something is taken. */
  readonly #free: Extent[]

  constructor(units: number) {
    this.#free = [{ start: 0, length: units }]
  }

  /** Those that are free now. */
  get free(): readonly Readonly<Extent>[] {
    return this.#free
  }

  /** Takes `length` consecutive units and gives the first of them; undefined if there are not so many. */
  take(length: number): number | undefined {
    for (let at = 0; at < this.#free.length; at++) {
      const extent = this.#free[at] as Extent
      if (extent.length < length) continue
      const { start } = extent
      if (extent.length === length) this.#free.splice(at, 1)
      else {
        extent.start += length
        extent.length -= length
      }
      return start
    }
    return undefined
  }

  /** Gives back what `take` gave: to be called once. */
  give(start: number, length: number): void {
    let at = this.#free.findIndex((extent) => extent.start > start)
    if (at < 0) at = this.#free.length
    const before = this.#free[at - 1]
    const after = this.#free[at]
    assert(before === undefined || before.start + before.length <= start, 'units are given back that are free')
    assert(after === undefined || start + length <= after.start, 'units are given back that are free')
    const joinsBefore = before !== undefined && before.start + before.length === start
    const joinsAfter = after !== undefined && start + length === after.start
    if (joinsBefore) {
      before.length += length + (joinsAfter ? after.length : 0)
      if (joinsAfter) this.#free.splice(at, 1)
    } else if (joinsAfter) {
      after.start = start
      after.length += length
    } else this.#free.splice(at, 0, { start, length })
  }
}
