/** Positions remembered; past that every second one is forgotten. */
const knownMax = 4_096

/** Which position of the state was reached when, roughly: by it one knows how old a segment is. */
export class Times {
  #known: { position: number; timeMs: number }[] = []
  #distance = 1

  /** The state has come to that position at that time, by the clock of who brought it there. */
  note(position: number, timeMs: number | undefined): void {
    const last = this.#known.at(-1)
    if (timeMs === undefined || (last !== undefined && position - last.position < this.#distance)) return
    this.#known.push({ position, timeMs })
    if (this.#known.length < knownMax) return
    this.#known = this.#known.filter((_, index) => index % 2 === 0)
    this.#distance *= 2
  }

  /** When the state was at that position, or, if that was before all that is known, the first time that is. */
  at(position: number): { timeMs: number; isEarlier: boolean } | undefined {
    const [first] = this.#known
    if (first === undefined) return undefined
    if (position < first.position) return { timeMs: first.timeMs, isEarlier: true }
    const found = this.#known.findLast((known) => known.position <= position) ?? first
    return { timeMs: found.timeMs, isEarlier: false }
  }
}
