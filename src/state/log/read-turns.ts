import type { Clock } from '../../base/clock.js'

/** So many bytes are read from the store at once before others have their turn: a few milliseconds' work. */
const turnBytes = 16 * 1024 * 1024

/**
 * What is read from the store at once, without a wait, holds up everybody else: so all readers of a ledger together read
 * only so much of it in one turn of the event loop, and whoever wants more waits for the next.
 */
export class ReadTurns {
  readonly #clock: Clock
  #waiting: (() => void)[] = []
  /** Bytes that were read in this turn. */
  bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether others are to have their turn before more is read. */
  get isOver(): boolean {
    return this.bytes >= turnBytes
  }

  /** So many bytes were read at once, or as much time was taken. */
  spent(bytes: number): void {
    if (this.bytes === 0) this.#clock.soon(() => this.#begin())
    this.bytes += bytes
  }

  /** Resolves once others have had their turn. To be called when this one is over. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #begin(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.bytes = 0
    // In the order in which they came: so who waits longest reads first.
    for (const resume of waiting) resume()
  }
}
