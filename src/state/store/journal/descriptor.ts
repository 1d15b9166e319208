import fs from 'node:fs'

/** An open file that is closed once nobody uses it any more. */
export class Descriptor {
  readonly #fd: number
  #users = 0
  #isDone = false

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Lets it be used, and makes sure that it stays open meanwhile. */
  async use<Result>(work: (fd: number) => Promise<Result>): Promise<Result> {
    this.#users++
    try {
      return await work(this.#fd)
    } finally {
      this.#users--
      if (this.#isDone && this.#users === 0) fs.closeSync(this.#fd)
    }
  }

  /** As `use`, at once. */
  useNow<Result>(work: (fd: number) => Result): Result {
    return work(this.#fd)
  }

  /** Closes it, at once or when those are done who use it. To be called once. */
  close(): void {
    this.#isDone = true
    if (this.#users === 0) fs.closeSync(this.#fd)
  }
}
