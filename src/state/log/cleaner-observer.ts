/** One cleaning of a partition. */
export interface Cleaning {
  /** Somebody else changed the partition meanwhile; what was done until then stays. */
  outcome: 'complete' | 'void'
  /** Bytes of record batches read (what was never cleaned is read twice) and written. */
  bytesRead: number
  bytesWritten: number
  /** Records looked at, and those of them that are gone. */
  records: number
  removed: number
  /** Batches that stay as they are, since their records can't be read, or are a transaction's. */
  opaqueBatches: number
  seconds: number
}

/** What an operator wants to know of log compaction; `main` binds it to metrics. */
export interface CleanerObserver {
  cleaned(cleaning: Cleaning): void
  /** A partition could not be cleaned. */
  cleaningFailed(): void
  /** A look at this instance's share of compacted partitions found so large a dirty ratio, 0 to 1. */
  looked(maxDirtyRatio: number): void
}

export const noCleanerObserver: CleanerObserver = {
  cleaned() {},
  cleaningFailed() {},
  looked() {},
}
