/** Somebody who was refused bytes. */
export interface BudgetWaiter {
  /** Bytes are free again: ask again. Whoever is refused again has to wait again. */
  bytesFreed(): void
}

/** Frames above this many bytes may use half of the budget, so that a few that trickle in don't stop all the others. */
const largeFrameBytesMin = 1024 * 1024

/**
 * Bytes of requests, being read or under way, over all connections. A connection that is refused stops reading
 * its socket until there is room again.
 */
export class RequestBudget {
  readonly #bytesMax: number
  readonly #large = new Set<BudgetWaiter>()
  readonly #small = new Set<BudgetWaiter>()
  #used = 0
  #isWaking = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get used(): number {
    return this.#used
  }

  /** Takes the bytes if there is room for them. One request is let in whatever its size. */
  take(bytes: number): boolean {
    const isRefused = bytes > largeFrameBytesMin ? this.#used > this.#bytesMax / 2 : this.#used + bytes > this.#bytesMax
    if (isRefused && this.#used > 0) return false
    this.#used += bytes
    return true
  }

  release(bytes: number): void {
    this.#used -= bytes
    this.#wake()
  }

  /** Has `waiter` told once when bytes are free. */
  wait(waiter: BudgetWaiter, bytes: number): void {
    const waiters = bytes > largeFrameBytesMin ? this.#large : this.#small
    waiters.add(waiter)
  }

  forget(waiter: BudgetWaiter): void {
    this.#large.delete(waiter)
    this.#small.delete(waiter)
  }

  #wake(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    for (const waiters of [this.#small, this.#large]) {
      const roomAt = waiters === this.#small ? this.#bytesMax : this.#bytesMax / 2
      // Each is asked once, in the order of their waiting; those that are refused again go to the end.
      let count = waiters.size
      for (const waiter of waiters) {
        if (count-- === 0 || this.#used >= roomAt) break
        waiters.delete(waiter)
        waiter.bytesFreed()
      }
    }
    this.#isWaking = false
  }
}
