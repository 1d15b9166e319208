/**
 * A set of whole numbers, as the ranges they form: small as long as they follow one another, however many they are.
 */
export class Numbers {
  /** Ascending, apart from each other: `starts[i]` to `ends[i]`, the end not included. */
  readonly #starts: number[]
  readonly #ends: number[]

  /** @param bounds beginnings and ends in turn, as `bounds()` gives them. */
  constructor(bounds: readonly number[] = []) {
    this.#starts = bounds.filter((_, index) => index % 2 === 0)
    this.#ends = bounds.filter((_, index) => index % 2 === 1)
  }

  has(number: number): boolean {
    const at = this.#lastAtMost(number)
    return at >= 0 && number < (this.#ends[at] as number)
  }

  /** The smallest, or undefined if there is none. */
  get first(): number | undefined {
    return this.#starts[0]
  }

  get count(): number {
    return this.#starts.reduce((sum, start, index) => sum + (this.#ends[index] as number) - start, 0)
  }

  /** Beginnings and ends of the ranges, in turn. */
  bounds(): number[] {
    return this.#starts.flatMap((start, index) => [start, this.#ends[index] as number])
  }

  add(number: number): void {
    const before = this.#lastAtMost(number)
    if (before >= 0 && number < (this.#ends[before] as number)) return
    const joinsBefore = before >= 0 && this.#ends[before] === number
    const joinsAfter = this.#starts[before + 1] === number + 1
    if (joinsBefore && joinsAfter) {
      this.#ends[before] = this.#ends[before + 1] as number
      this.#starts.splice(before + 1, 1)
      this.#ends.splice(before + 1, 1)
    } else if (joinsBefore) this.#ends[before] = number + 1
    else if (joinsAfter) this.#starts[before + 1] = number
    else {
      this.#starts.splice(before + 1, 0, number)
      this.#ends.splice(before + 1, 0, number + 1)
    }
  }

  remove(number: number): void {
    const at = this.#lastAtMost(number)
    const end = this.#ends[at]
    if (end === undefined || number >= end) return
    const start = this.#starts[at] as number
    const rest = [
      [start, number],
      [number + 1, end],
    ].filter(([from = 0, to = 0]) => from < to)
    this.#starts.splice(at, 1, ...rest.map(([from = 0]) => from))
    this.#ends.splice(at, 1, ...rest.map(([, to = 0]) => to))
  }

  /** Those of these that are not among the others. */
  without(others: Numbers): Numbers {
    const bounds: number[] = []
    for (let at = 0; at < this.#starts.length; at++) {
      const end = this.#ends[at] as number
      let from = this.#starts[at] as number
      for (let other = Math.max(others.#lastAtMost(from), 0); from < end; other++) {
        const otherStart = others.#starts[other] ?? end
        const otherEnd = others.#ends[other] ?? end
        if (otherEnd <= from && otherStart < end) continue
        if (from < otherStart) bounds.push(from, Math.min(otherStart, end))
        from = Math.max(from, otherEnd)
      }
    }
    return new Numbers(bounds)
  }

  /** The index of the last range that begins at `number` or before; -1 if there is none. */
  #lastAtMost(number: number): number {
    // Mostly it is about the newest.
    let low = 0
    let high = this.#starts.length
    if (high > 0 && number >= (this.#starts[high - 1] as number)) return high - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] as number) <= number) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
