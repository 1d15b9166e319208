/** Lets so many requests be under way at once; the others wait, first come, first served. */
export class Gate {
  readonly #underWayMax: number
  #underWay = 0
  /** As many as there are requests of clients under way, which are bounded, and pieces of upkeep. */
  readonly #waiting: (() => void)[] = []

  constructor(underWayMax: number) {
    this.#underWayMax = underWayMax
  }

  get underWay(): number {
    return this.#underWay
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether the next one has to wait. */
  get isFull(): boolean {
    return this.#underWay >= this.#underWayMax
  }

  /** Makes the request when its turn has come; settles as it does. */
  async pass<Result>(request: () => Promise<Result>): Promise<Result> {
    // Who leaves hands its place on: nobody who comes meanwhile gets it.
    if (this.isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#underWay++
    try {
      return await request()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }
}
