/**
 * Work that is done several pieces at once, within bounds: who adds a piece waits until there is room for it.
 * The first piece that fails ends it all.
 */
export class InFlight {
  readonly #countMax: number
  readonly #bytesMax: number
  #count = 0
  #bytes = 0
  #isFailed = false
  #failure: unknown
  #wake: (() => void) | undefined

  /**
   * @param countMax pieces at once
   * @param bytesMax bytes that they may hold in memory together; a larger piece has to be alone
   */
  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  /**
   * Starts a piece of work as soon as there is room, and does not wait for its end. One caller at a time.
   * @throws whatever an earlier piece failed with
   */
  async add(bytes: number, work: () => Promise<void>): Promise<void> {
    while (this.#count >= this.#countMax || (this.#count > 0 && this.#bytes + bytes > this.#bytesMax)) await this.#one()
    this.#check()
    this.#count++
    this.#bytes += bytes
    work()
      .catch((error: unknown) => {
        if (!this.#isFailed) this.#failure = error
        this.#isFailed = true
      })
      .finally(() => {
        this.#count--
        this.#bytes -= bytes
        this.#wake?.()
      })
  }

  /**
   * Waits until nothing is under way.
   * @throws whatever a piece failed with
   */
  async settled(): Promise<void> {
    while (this.#count > 0) await this.#one()
    this.#check()
  }

  #one(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #check(): void {
    if (this.#isFailed) throw this.#failure
  }
}
