/** Longest list of one kind of violation that is kept in words; the rest is counted. */
const wordedMax = 20

/** What was found to be wrong: counted by kind, the first ones of each kind in words. */
export class Complaints {
  readonly #kinds = new Map<string, { count: number; words: string[] }>()

  add(kind: string, words: string): void {
    const found = this.#kinds.get(kind) ?? { count: 0, words: [] }
    this.#kinds.set(kind, found)
    found.count++
    if (found.words.length < wordedMax) found.words.push(words)
  }

  /** How many of one kind, or of all. */
  count(kind?: string): number {
    if (kind !== undefined) return this.#kinds.get(kind)?.count ?? 0
    return [...this.#kinds.values()].reduce((sum, { count }) => sum + count, 0)
  }

  /** One line each, kind by kind. */
  lines(): string[] {
    return [...this.#kinds].flatMap(([kind, { count, words }]) => [
      ...words.map((text) => `${kind}: ${text}`),
      ...(count > words.length ? [`${kind}: and ${count - words.length} more`] : []),
    ])
  }
}
