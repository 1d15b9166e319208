import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { segmentKey } from '../ledger/keys.js'
import type { Proposer } from '../ledger/proposer.js'
import type { ObjectStore } from '../store/object-store.js'
import { putOwn } from '../store/retrying.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import type { Chunk, SegmentBuilder } from './segment.js'

const putAttemptsMax = 3

export interface SegmentStoreOptions {
  store: ObjectStore
  proposer: Proposer
  clock: Clock
  random: Random
  /** Aborted when this instance ends: what fails then is not tried again. */
  signal: AbortSignal
}

/** Stores the segments of this process, each under a number of its own. */
export class SegmentStore {
  readonly #options: SegmentStoreOptions
  #lastNumber = 0

  constructor(options: SegmentStoreOptions) {
    this.#options = options
  }

  /** A number for a new segment; see `PartitionLogs.segmentsFrom`. */
  nextNumber(): number {
    this.#lastNumber = Math.max(this.#options.proposer.state.position, this.#lastNumber + 1)
    return this.#lastNumber
  }

  /** @throws StoreError if the store fails. */
  async put(log: PartitionLog, number: number, segment: SegmentBuilder): Promise<void> {
    const { store, proposer, clock, random, signal } = this.#options
    const key = segmentKey(log.topicId, log.partition, proposer.writer, number)
    await putOwn(store, key, segment.finish(), { clock, random, attemptsMax: putAttemptsMax, signal })
  }
}

/** Ranges as the commands that replace them name them. */
export function namedRanges(ranges: readonly Range[]): number[] {
  return ranges.flatMap((range) => [
    range.baseOffset,
    range.endOffset,
    range.writer,
    range.number,
    range.position,
    range.length,
  ])
}

/** Chunks likewise. */
export function namedChunks(chunks: readonly Chunk[]): number[] {
  return chunks.flatMap((chunk) => [chunk.endOffset, chunk.position, chunk.length, chunk.maxTimestampMs])
}

/** Whether ranges are still where they were, by all that anybody wrote. */
export async function holdsRanges(proposer: Proposer, log: PartitionLog, ranges: readonly Range[]): Promise<boolean> {
  await proposer.barrier()
  if (proposer.state.partitions.get(log.topicId, log.partition) !== log) return false
  return ranges.every((range) => {
    const index = log.ranges.find(range.baseOffset)
    if (index >= log.ranges.length) return false
    const { writer, number, position } = log.ranges.at(index)
    return writer === range.writer && number === range.number && position === range.position
  })
}
