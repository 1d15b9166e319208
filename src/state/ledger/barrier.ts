/**
 * Confirms that everything acknowledged before a call has been applied here. `confirm` must look at the store after
 * it is called; callers that come while a look is under way share the next one.
 */
export class Barrier {
  readonly #confirm: () => Promise<void>
  #current: Promise<void> | undefined
  #following: Promise<void> | undefined

  constructor(confirm: () => Promise<void>) {
    this.#confirm = confirm
  }

  /** Rejects with what `confirm` throws. */
  pass(): Promise<void> {
    if (this.#current === undefined) return this.#begin()
    // The look under way may have begun before what this caller must see was acknowledged.
    this.#following ??= this.#current.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#following
  }

  #begin(): Promise<void> {
    this.#following = undefined
    const current = this.#confirm().finally(() => {
      if (this.#current === current) this.#current = undefined
    })
    this.#current = current
    return current
  }
}
