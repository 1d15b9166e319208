import type { ApplyTable } from './view.js'

/** What the ledger had come to at a tick of its clock. */
export interface LedgerMark {
  /** What the clock said. */
  atMs: number
  position: number
  /** An entry that had been applied. */
  sequence: number
  /** All snapshots that were kept covered this entry. */
  covered: number
  /** Of each writer the index of its last effective part. */
  indexes: ReadonlyMap<number, number>
  /** Writers numbered below this that have no index had been forgotten. */
  writersFrom: number
}

/** Marks are kept at distances of the longest age that is asked for, divided by this: so exact are ages. */
const marksPerAge = 16

/**
 * How old is what? Time that adds up in the ledger itself, so that it outlives every process, and without trusting any
 * wall clock. Whoever has seen a tick and then some time go by, by its own monotonic clock, proposes the next tick, with
 * that time; of several that follow the same tick, the first counts. So between two ticks at least as much time has
 * passed as the clock says: whoever saw the first saw it after it had been ordered, and proposed the second before that was. Who
 * sleeps or dies only makes the clock slow. A mark is made at a tick, not between two: between two nobody knows how much
 * time has passed.
 */
export class LedgerClock {
  /** Ticks so far. */
  ticks = 0
  /** Sum of the times between them, milliseconds. */
  nowMs = 0
  #marks: LedgerMark[] = []

  /** What the ledger had come to at least so long ago, as late as is known. */
  before(ageMs: number): LedgerMark | undefined {
    return this.#marks.findLast(({ atMs }) => atMs <= this.nowMs - ageMs)
  }

  tick(ms: number, keepMs: number, mark: Omit<LedgerMark, 'atMs'>): void {
    this.ticks++
    this.nowMs += ms
    const marks = this.#marks
    const [before, newest] = marks.slice(-2)
    // The newest makes room for its successor until it has some distance from the one before.
    const isClose = newest !== undefined && before !== undefined
    if (isClose && newest.atMs - before.atMs < keepMs / marksPerAge) marks.pop()
    marks.push({ ...mark, atMs: this.nowMs })
    while ((marks[1]?.atMs ?? this.nowMs) <= this.nowMs - keepMs) marks.shift()
  }

  toSnapshot(): unknown {
    const marks = this.#marks.map(
      ({ atMs, position, sequence, covered, indexes, writersFrom }): PackedMark => [
        atMs,
        position,
        sequence,
        covered,
        [...indexes],
        writersFrom,
      ],
    )
    return [this.ticks, this.nowMs, marks]
  }

  /** Nothing, of a snapshot from before there was a clock, is a clock that never ticked. */
  static fromSnapshot(snapshot: unknown): LedgerClock {
    const clock = new LedgerClock()
    if (snapshot === undefined) return clock
    const [ticks, nowMs, marks] = snapshot as [number, number, PackedMark[]]
    clock.ticks = ticks
    clock.nowMs = nowMs
    clock.#marks = marks.map(([atMs, position, sequence, covered, indexes, writersFrom]) => ({
      atMs,
      position,
      sequence,
      covered,
      indexes: new Map(indexes),
      writersFrom,
    }))
    return clock
  }
}

type PackedMark = [
  atMs: number,
  position: number,
  sequence: number,
  covered: number,
  indexes: [writer: number, index: number][],
  writersFrom: number,
]

/** Time has passed since a tick. */
export interface TickCommand {
  /** How many ticks there were when the proposer began to wait; void if there is one more by now. */
  from: number
  /** For how long it waited, milliseconds. */
  ms: number
  /** No greater age will be asked for, milliseconds. */
  keepMs: number
  /** An entry that it had applied. */
  sequence: number
  /** Of the oldest snapshot that is kept; 0 if there is none. */
  covered: number
}

export interface LedgerClockCommands {
  tick: { command: TickCommand; outcome: undefined }
}

export const ledgerClockApply: ApplyTable<LedgerClockCommands> = {
  tick({ clock, writers }, { from, ms, keepMs, sequence, covered }, { position }) {
    if (from !== clock.ticks) return undefined
    clock.tick(ms, keepMs, { position, sequence, covered, indexes: writers.indexes(), writersFrom: writers.newFrom })
    return undefined
  },
}
