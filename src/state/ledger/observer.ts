/** What an operator wants to know of the ledger; `main` binds it to metrics. Times in seconds. */
export interface LedgerObserver {
  /** An entry was applied: `own` if this instance wrote it. */
  entryApplied(own: boolean, sequence: number): void
  /** A part changed nothing, by the writer-index rule. */
  partVoid(): void
  /** A place in the ledger that this instance wanted was taken by another. */
  conflict(): void
  /** An entry of ours was stored: how long it took, and its size in bytes. */
  entryStored(seconds: number, bytes: number): void
  /** A put of an entry failed and is tried again. */
  putFailed(): void
  /** A snapshot was written: the longest time it held up everything else, how long in all, and its size in bytes. */
  snapshotStored(stallSeconds: number, seconds: number, bytes: number): void
}

export const noLedgerObserver: LedgerObserver = {
  entryApplied() {},
  partVoid() {},
  conflict() {},
  entryStored() {},
  putFailed() {},
  snapshotStored() {},
}
