import type { PartitionLog } from './partition-log.js'
import { rangeBytes } from './ranges.js'

/**
 * What all partitions' logs were at one moment, taken a few at a time while the ledger goes on: a log that is about to
 * change before its turn is taken just then (`PartitionLogs.willChange`).
 */
export class Capture {
  /** Counted from 1. */
  readonly number: number
  readonly #logs: readonly PartitionLog[]
  readonly #onEnd: () => void
  /** Of logs that changed before their turn: what they were. */
  readonly #early = new Map<PartitionLog, unknown>()
  #next = 0

  constructor(number: number, logs: readonly PartitionLog[], onEnd: () => void) {
    this.number = number
    this.#logs = logs
    this.#onEnd = onEnd
  }

  /** A log is about to change. */
  keep(log: PartitionLog): void {
    if (log.captured === this.number) return
    log.captured = this.number
    this.#early.set(log, log.toSnapshot())
  }

  /** The next logs in their order, as plain data: at most `countMax`, and no more once they have `bytesMax` of ranges. */
  take(countMax: number, bytesMax: number): unknown[] {
    const taken: unknown[] = []
    for (let bytes = 0; taken.length < countMax && bytes < bytesMax; ) {
      const log = this.#logs[this.#next]
      if (log === undefined) break
      this.#next++
      bytes += log.ranges.length * rangeBytes
      const early = this.#early.get(log)
      taken.push(early ?? log.toSnapshot())
      if (early === undefined) log.captured = this.number
      else this.#early.delete(log)
    }
    return taken
  }

  /** Nothing needs to be kept any more. */
  end(): void {
    this.#onEnd()
  }
}
