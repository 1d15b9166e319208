import { noPins, type Pins } from '../../base/pinned-memory.js'
import type { ObjectRef } from '../views/view.js'
import { RecentRuns, type RunPart } from './recent-runs.js'

/** What goes at once has this share of what is kept, unless a single piece has more. */
const goingShare = 1 / 64

/** What is kept of one writer. */
interface OfWriter {
  groups: RecentRuns[]
  /** No object with a higher number is or was kept. */
  highest: number
}

/**
 * The record bytes that this instance had in memory lately: what it wrote itself, and what came with the heads of
 * others' entries. A reader at the tail finds them here and costs the store nothing. Bounded in bytes; what came
 * first goes first, since consumers read forward.
 */
export class RecentBytes {
  readonly #bytesMax: number
  readonly #pins: Pins
  /** What was kept, a group of one writer's objects at a time, in the order in which the groups were begun. */
  readonly #groups: RecentRuns[] = []
  readonly #writers = new Map<number, OfWriter>()
  /** Bytes kept now. */
  bytes = 0

  constructor(bytesMax: number, pins: Pins = noPins) {
    this.#bytesMax = bytesMax
    this.#pins = pins
  }

  /** Keeps pieces that lie one after the other from `position` on, each of whole batches but for the first of an object. */
  keep({ writer, number }: ObjectRef, position: number, pieces: readonly Buffer[]): void {
    if (this.#lastPositionOf(writer, number) >= position) return
    let at = position
    for (const piece of pieces) {
      this.#groupFor(writer, number).add(number, at, piece)
      this.#pins.pin(piece)
      at += piece.length
    }
    this.bytes += at - position
    while (this.bytes > this.#bytesMax) this.#evict()
  }

  /** The bytes of a range, in pieces; undefined unless all of it is here. */
  find({ writer, number }: ObjectRef, position: number, length: number): Buffer[] | undefined {
    const found: Buffer[] = []
    const end = position + length
    for (let at = position; at < end; ) {
      const part = this.#partAt(writer, number, at, end)
      // The piece before it ends within a batch: an entry's first read brought no more of it.
      if (part === undefined || (found.length > 0 && !part.isFirst)) return undefined
      found.push(part.bytes)
      at += part.bytes.length
    }
    return found
  }

  #partAt(writer: number, number: number, at: number, end: number): RunPart | undefined {
    const groups = this.#writers.get(writer)?.groups ?? []
    // Most readers are near the end.
    for (let i = groups.length - 1; i >= 0; i--) {
      const group = groups[i] as RecentRuns
      const part = group.mayHave(number) ? group.partAt(number, at, end) : undefined
      if (part !== undefined) return part
    }
    return undefined
  }

  /** Where the last piece of that object begins; -1 if nothing of it is kept. */
  #lastPositionOf(writer: number, number: number): number {
    const known = this.#writers.get(writer)
    if (known === undefined || number > known.highest) return -1
    return known.groups.reduce((last, group) => Math.max(last, group.lastPositionOf(number)), -1)
  }

  /** The group that what comes next of that writer belongs to. */
  #groupFor(writer: number, number: number): RecentRuns {
    let known = this.#writers.get(writer)
    if (known === undefined) {
      known = { groups: [], highest: number }
      this.#writers.set(writer, known)
    }
    known.highest = Math.max(known.highest, number)
    const newest = known.groups.at(-1)
    if (newest !== undefined && !newest.isFull && newest.bytes < this.#bytesMax * goingShare) return newest
    const group = new RecentRuns(writer)
    known.groups.push(group)
    this.#groups.push(group)
    return group
  }

  #evict(): void {
    const group = this.#groups.shift() as RecentRuns
    const { groups } = this.#writers.get(group.writer) as OfWriter
    // The oldest of all is the oldest of its writer.
    groups.shift()
    if (groups.length === 0) this.#writers.delete(group.writer)
    this.bytes -= group.bytes
    for (const memory of group.memories()) this.#pins.unpin(memory)
  }
}
