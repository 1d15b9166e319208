/** What happened in so long is looked at, milliseconds; counted in slices. */
const windowMs = 1_000
const slices = 10
const sliceMs = windowMs / slices

/** How much happened in the last second, by slices of the monotonic clock; a slice's place is taken over after a window. */
export class Rate {
  readonly #counts = new Array<number>(slices).fill(0)
  #sum = 0
  #slice = 0

  count(now: number): void {
    this.#advance(now)
    const at = this.#slice % slices
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum++
  }

  perSecond(now: number): number {
    this.#advance(now)
    return (this.#sum * 1_000) / windowMs
  }

  #advance(now: number): void {
    const slice = Math.floor(now / sliceMs)
    for (let gone = Math.max(this.#slice, slice - slices) + 1; gone <= slice; gone++) {
      const at = gone % slices
      this.#sum -= this.#counts[at] ?? 0
      this.#counts[at] = 0
    }
    this.#slice = Math.max(this.#slice, slice)
  }
}
