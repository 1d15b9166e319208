/** What a `UseOrder` holds: each in one order at a time. */
export interface Ordered<Item> {
  older: Item | undefined
  newer: Item | undefined
}

/** Which of some things was used longest ago? A list through the things themselves: to move one costs no memory. */
export class UseOrder<Item extends Ordered<Item>> {
  #oldest: Item | undefined
  #newest: Item | undefined

  get oldest(): Item | undefined {
    return this.#oldest
  }

  get newest(): Item | undefined {
    return this.#newest
  }

  /** `item` is not in it yet, and was used just now. */
  add(item: Item): void {
    item.older = this.#newest
    item.newer = undefined
    if (this.#newest === undefined) this.#oldest = item
    else this.#newest.newer = item
    this.#newest = item
  }

  remove(item: Item): void {
    const { older, newer } = item
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
    item.older = undefined
    item.newer = undefined
  }

  /** `item`, which is in it, was used just now. */
  used(item: Item): void {
    if (item === this.#newest) return
    this.remove(item)
    this.add(item)
  }
}
