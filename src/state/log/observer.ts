/**
 * The kinds of objects that the collector deletes: those that hold records, claims of writer numbers, and what a start
 * left that died while it tried out the store.
 */
export type CollectedObject = 'entry' | 'lane' | 'segment' | 'writer' | 'probe'

/** What an operator wants to know of the upkeep of the store; `main` binds it to metrics. Times in seconds. */
export interface UpkeepObserver {
  /** A segment was stored; `isReplaced`: the ranges were still as they had been, and are in it now. */
  compacted(ranges: number, bytes: number, seconds: number, isReplaced: boolean): void
  /** A run of ranges could not be compacted. */
  compactionFailed(): void
  /** Objects of a kind were deleted. */
  collected(kind: CollectedObject, objects: number): void
  /** A pass of the collector left so much: of entries only those that are old enough to be deleted. */
  kept(kind: CollectedObject, objects: number, bytes: number): void
}

export const noUpkeepObserver: UpkeepObserver = {
  compacted() {},
  compactionFailed() {},
  collected() {},
  kept() {},
}
