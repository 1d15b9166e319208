/**
 * Lets those through that waited for something, in the order in which they came. Nobody overtakes: as long as one
 * waits, others wait behind it.
 */
export class InTurn {
  readonly #prepare: () => Promise<void>
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  /** @param prepare what is done before the turn of each that is not ready; who it fails for does not have one */
  constructor(prepare: () => Promise<void>) {
    this.#prepare = prepare
  }

  /** Whether somebody waits. */
  get isAwaited(): boolean {
    return this.#waiting > 0
  }

  /**
   * Begins `act` when its turn has come; settles as it does. The next one does not wait for that.
   * @param isReady whether it can begin as it is, asked when its turn has come
   */
  async pass<Result>(isReady: () => boolean, act: () => Promise<Result>): Promise<Result> {
    this.#waiting++
    const begun = this.#last.then(() => this.#begin(isReady, act))
    this.#last = begun.catch(() => undefined)
    const { result } = await begun
    return result
  }

  async #begin<Result>(isReady: () => boolean, act: () => Promise<Result>): Promise<{ result: Promise<Result> }> {
    try {
      if (!isReady()) await this.#prepare()
      const result = act()
      return { result }
    } finally {
      this.#waiting--
    }
  }
}
