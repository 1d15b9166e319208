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
 * not at all. No writer is ever forgotten: a part of it that is found late must still be void.
 */
export class Writers {
  readonly #writers = new Map<number, Writer>()

  /** The index of the writer's last effective part; 0 if there was none. */
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

  /** All writers that ever wrote, in the order of their first part. */
  all(): Iterable<number> {
    return this.#writers.keys()
  }

  /** Whether a part takes effect now; if so it is counted. */
  admit(writer: number, index: number, timeMs: number): boolean {
    const known = this.#writers.get(writer)
    if (index !== (known?.lastIndex ?? 0) + 1) return false
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

  toSnapshot(): unknown {
    return [...this.#writers].map(([writer, known]) => [writer, known.lastIndex, known.lastTimeMs, known.isRetired])
  }

  static fromSnapshot(snapshot: unknown): Writers {
    const writers = new Writers()
    for (const [writer, lastIndex, lastTimeMs, isRetired] of snapshot as [number, number, number, boolean][])
      writers.#writers.set(writer, { lastIndex, lastTimeMs, isRetired })
    return writers
  }
}

export interface WriterCommands {
  /** The proposing process ends: nobody needs to look for more from it. */
  retireWriter: { command: Record<string, never>; outcome: undefined }
}

export const writerApply: ApplyTable<WriterCommands> = {
  retireWriter(state, _command, place) {
    state.writers.retire(place.writer)
    return undefined
  },
}
