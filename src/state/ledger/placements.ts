import type { Part } from './entry.js'
import type { Placement } from './pending-part.js'

/** The entries of ours whose places have not been applied yet, and so where the parts in them stand, or are to stand. */
export class Placements {
  readonly #placements = new Map<number, Placement>()
  /** Places of others' parts, by writer and index. Of our own each knows its place itself. */
  readonly #foreign = new Map<string, number>()

  /** An entry is being stored at that place. */
  add(sequence: number, placement: Placement): void {
    this.#placements.set(sequence, placement)
    for (const pending of placement.own) pending.sequence = sequence
    for (const part of placement.foreign) this.#foreign.set(nameOf(part), sequence)
  }

  /** Whether the store is yet to say what stands at that place. */
  isUnanswered(sequence: number): boolean {
    return this.#placements.get(sequence)?.isAnswered === false
  }

  /** Where a part of another writer is being stored; 0 if nowhere. */
  placeOf(part: Part): number {
    return this.#foreign.get(nameOf(part)) ?? 0
  }

  /**
   * The entry does not stand at that place, or has been applied there: what is in it and was not placed again meanwhile has no place
   * any more. Whether there was any such part.
   */
  displace(sequence: number): boolean {
    const { own, foreign } = this.#placements.get(sequence) ?? none
    let isAny = false
    for (const pending of own) {
      if (pending.sequence !== sequence) continue
      pending.sequence = 0
      isAny = true
    }
    for (const part of foreign) {
      if (this.placeOf(part) !== sequence) continue
      this.#foreign.delete(nameOf(part))
      isAny = true
    }
    return isAny
  }

  /** What stands there is applied, and the place forgotten. Whether an entry of ours was to stand there. */
  forget(sequence: number): boolean {
    return this.#placements.delete(sequence)
  }
}

const none: Omit<Placement, 'isAnswered'> = { own: [], foreign: [] }

const nameOf = ({ writer, index }: Part) => `${writer}/${index}`
