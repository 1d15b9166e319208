/** One record under way, until every sink has what became of it, or the dead-letter topic has. */
export interface Delivery {
  readonly offset: number
  /** One more part of the record must be delivered. */
  expect(): void
  /** One part is delivered. */
  done(): void
}

/** How far a partition is done: records finish in any order, the position moves over those that are done in a row. */
export interface Progress {
  /** A record enters, with one part expected: the reading itself, which calls `done` when all others are known. */
  begin(offset: number, finished: () => void): Delivery
  /** Offsets up to here (exclusive) were read, the last ones perhaps without a record in them. */
  skipTo(offset: number): void
  /** The offset to go on from after a crash now. */
  readonly position: number
  /** Records under way. */
  readonly pending: number
}

/** @param moved called when the position has moved */
export function createProgress(start: number, moved: () => void): Progress {
  const open = new Set<number>()
  let read = start
  let position = start

  const advance = () => {
    // A set keeps the order of insertion, which is that of the offsets.
    const first: number | undefined = open.values().next().value
    const next = first ?? read
    if (next <= position) return
    position = next
    moved()
  }

  return {
    get position() {
      return position
    },
    get pending() {
      return open.size
    },
    begin(offset, finished) {
      open.add(offset)
      read = offset + 1
      let parts = 1
      return {
        offset,
        expect() {
          parts++
        },
        done() {
          parts--
          if (parts > 0) return
          open.delete(offset)
          finished()
          advance()
        },
      }
    },
    skipTo(offset) {
      read = Math.max(read, offset)
      advance()
    },
  }
}
