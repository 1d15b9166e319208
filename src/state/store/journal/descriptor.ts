import fs from 'node:fs'
import { assert } from '../../../base/assert.js'

/** An open file that is closed once nobody uses it any more. */
export class Descriptor {
  readonly #fd: number
  #users = 0
  #isDone = false

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Whether it is closed already, or about to be as soon as those are done who use it. */
  get isClosed(): boolean {
    return this.#isDone
  }

  /**
   * Lets it be used, and makes sure that it stays open meanwhile.
   * @throws AssertionError if it has been closed: its number may be another file's by now.
   */
  async use<Result>(work: (fd: number) => Promise<Result>): Promise<Result> {
    assert(!this.#isDone || this.#users > 0, 'a file is used that has been closed')
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
    assert(!this.#isDone || this.#users > 0, 'a file is used that has been closed')
    return work(this.#fd)
  }

  /** Closes it, at once or when those are done who use it. To be called once. */
  close(): void {
    this.#isDone = true
    if (this.#users === 0) fs.closeSync(this.#fd)
  }
}
