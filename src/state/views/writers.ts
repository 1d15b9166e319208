import type { ApplyTable } from './view.js'

interface Writer {
  /** The index of its last effective part. */
  lastIndex: number
  /** Its own wall clock when it made that part. */
  lastTimeMs: number
  /** It said that it writes no more. */
  isRetired: boolean
}

/**
 * The writer-index rule: a part takes effect if and only if its index is one more than that of its writer's last
 * effective part. By it a part that was ordered twice counts once, and what a dead process left beyond a hole counts
 * not at all.
 *
 * A part that is found late must be void for ever, but not every process that ever started can be remembered for ever:
 * of those that are forgotten stands only that they are numbered below `newFrom`, and nobody that is numbered so and not
 * known is ever admitted again (docs/decisions/0004-forgetting-writers.md).
 */
export class Writers {
  readonly #writers = new Map<number, Writer>()
  /** Whoever is numbered below this and not known was forgotten, or will never be heard. */
  newFrom = 0

  /** The index of the writer's last effective part; 0 if there was none or it is forgotten. */
  lastIndex(writer: number): number {
    return this.#writers.get(writer)?.lastIndex ?? 0
  }

  /** When the writer made its last effective part, by its own wall clock; undefined if there was none. */
  lastTimeMs(writer: number): number | undefined {
    return this.#writers.get(writer)?.lastTimeMs
  }

  isRetired(writer: number): boolean {
    return this.#writers.get(writer)?.isRetired ?? false
  }

  /** Whether no part of this writer can ever take effect again, whatever its index. */
  isForgotten(writer: number): boolean {
    return writer < this.newFrom && !this.#writers.has(writer)
  }

  /** All writers that wrote and are not forgotten, in the order of their first part. */
  all(): Iterable<number> {
    return this.#writers.keys()
  }

  get size(): number {
    return this.#writers.size
  }

  /** Of each of them the index of its last effective part, as it is now. */
  indexes(): Map<number, number> {
    return new Map([...this.#writers].map(([writer, { lastIndex }]) => [writer, lastIndex]))
  }

  /** No number above this one has ever written; 0 if nobody has. */
  highest(): number {
    let highest = Math.max(this.newFrom - 1, 0)
    for (const writer of this.#writers.keys()) highest = Math.max(highest, writer)
    return highest
  }

  /** Whether a part takes effect now; if so it is counted. */
  admit(writer: number, index: number, timeMs: number): boolean {
    const known = this.#writers.get(writer)
    if (index !== (known?.lastIndex ?? 0) + 1) return false
    if (this.isForgotten(writer)) return false
    if (known === undefined) this.#writers.set(writer, { lastIndex: index, lastTimeMs: timeMs, isRetired: false })
    else {
      known.lastIndex = index
      known.lastTimeMs = timeMs
    }
    return true
  }

  retire(writer: number): void {
    const known = this.#writers.get(writer)
    if (known !== undefined) known.isRetired = true
  }

  /** Forgets a writer for good; not if it has written since its part `lastIndex`. */
  forget(writer: number, lastIndex: number): void {
    if (this.#writers.get(writer)?.lastIndex !== lastIndex) return
    this.#writers.delete(writer)
    this.newFrom = Math.max(this.newFrom, writer + 1)
  }

  toSnapshot(): unknown {
    const writers = [...this.#writers].map(([writer, { lastIndex, lastTimeMs, isRetired }]) => [
      writer,
      lastIndex,
      lastTimeMs,
      isRetired,
    ])
    return [this.newFrom, writers]
  }

  static fromSnapshot(snapshot: unknown): Writers {
    const [newFrom, known] = snapshot as [number, [number, number, number, boolean][]]
    const writers = new Writers()
    writers.newFrom = newFrom
    for (const [writer, lastIndex, lastTimeMs, isRetired] of known)
      writers.#writers.set(writer, { lastIndex, lastTimeMs, isRetired })
    return writers
  }
}

export interface WriterCommands {
  /** The proposing process ends: nobody needs to look for more from it. */
  retireWriter: { command: Record<string, never>; outcome: undefined }
  /** The proposing process is there, though it has nothing to write. */
  touchWriter: { command: Record<string, never>; outcome: undefined }
  /** Forgets writers, each unless it has written since the part that is named with it. */
  forgetWriters: { command: { writers: [writer: number, lastIndex: number][] }; outcome: undefined }
}

export const writerApply: ApplyTable<WriterCommands> = {
  retireWriter(state, _command, place, events) {
    state.writers.retire(place.writer)
    if (state.instances.remove(place.writer)) events.instanceChanged(place.writer)
    return undefined
  },

  // That its part takes effect is all that it is for.
  touchWriter: () => undefined,

  forgetWriters(state, { writers }, _place, events) {
    for (const [writer, lastIndex] of writers) {
      state.writers.forget(writer, lastIndex)
      if (state.writers.isForgotten(writer) && state.instances.remove(writer)) events.instanceChanged(writer)
    }
    return undefined
  },
}
