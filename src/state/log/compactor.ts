import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Topic } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Gate } from '../store/gate.js'
import type { ObjectStore } from '../store/object-store.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import { nextRun, type PlanOptions } from './compaction-plan.js'
import type { UpkeepObserver } from './observer.js'
import { placedBatches } from './placed-batches.js'
import { eachRange, readRanges } from './range-bytes.js'
import { SegmentBuilder } from './segment.js'
import { holdsRanges, namedChunks, namedRanges, type SegmentStore } from './segment-store.js'
import { isShareOf } from './shares.js'

/** Partitions looked at before others get their turn on the event loop. */
const partitionsAtOnce = 500
/** A partition is left alone for so long, milliseconds, when the store failed, and when its records are damaged. */
const failedMs = 10_000
const damagedMs = 10 * 60_000

export interface CompactorOptions {
  store: ObjectStore
  proposer: Proposer
  segments: SegmentStore
  clock: Clock
  log: Log
  observer: UpkeepObserver
  ledger: number
  /** Lets one compactor of the process work, or rest from it, at a time. */
  turn: Gate
  signal: AbortSignal
}

/**
 * Moves flushed ranges, which lie where they were written together with other partitions' in entries of the ledger,
 * into segments of one partition each. Needs no lease: a replacement names the ranges that it replaces, and is void
 * unless they are still there; the segment is then an orphan, which the collector finds. One segment at a time, which
 * is all the memory it takes; it rests as long as it works.
 */
export class Compactor {
  readonly #options: CompactorOptions
  /** Until when partitions that could not be compacted are left alone. */
  readonly #restsUntilMs = new WeakMap<PartitionLog, number>()

  constructor(options: CompactorOptions) {
    this.#options = options
  }

  /**
   * Looks at all partitions once, and compacts what is due and this instance's to do.
   * @param planOf what is due of a topic's partition
   */
  async pass(planOf: (topic: Topic, log: PartitionLog) => PlanOptions, live: readonly number[]): Promise<void> {
    const { proposer, clock, turn, signal } = this.#options
    let looked = 0
    for (const topic of [...proposer.state.topics.all()])
      for (const log of proposer.state.partitions.ofTopic(topic.id)) {
        if (++looked % partitionsAtOnce === 0) await clock.sleep(0)
        if (nextRun(log.ranges, planOf(topic, log)) === undefined || this.#rests(log)) continue
        if (!isShareOf(proposer.writer, live, `${log.topicId}/${log.partition}`)) continue
        while (!signal.aborted && (await turn.pass(() => this.#compactNext(log, planOf(topic, log)))));
      }
  }

  #rests(log: PartitionLog): boolean {
    return (this.#restsUntilMs.get(log) ?? Number.NEGATIVE_INFINITY) > this.#options.clock.monotonic()
  }

  /** Compacts the next run of a partition; false if none is due, or it was not to be. */
  async #compactNext(log: PartitionLog, plan: PlanOptions): Promise<boolean> {
    const run = nextRun(log.ranges, plan)
    if (run === undefined) return false
    const { proposer, clock, log: logger, observer, signal } = this.#options
    const since = clock.monotonic()
    const ranges = Array.from({ length: run.count }, (_, i) => log.ranges.at(run.index + i))
    try {
      const isReplaced = await this.#compact(log, ranges)
      const ms = clock.monotonic() - since
      observer.compacted(run.count, run.bytes, ms / 1_000, isReplaced)
      await clock.sleep(ms, signal)
      return isReplaced
    } catch (error) {
      // Another instance was quicker, and what we were reading is gone.
      const isMissing = error instanceof CorruptObjectError && error.isMissing
      if (isMissing && !(await holdsRanges(proposer, log, ranges))) return false
      observer.compactionFailed()
      const isDamaged = error instanceof CorruptObjectError
      this.#restsUntilMs.set(log, clock.monotonic() + (isDamaged ? damagedMs : failedMs))
      const where = { topicId: log.topicId, partition: log.partition, error: messageOf(error) }
      if (isDamaged) logger.error(where, 'stored records are damaged; they stay as they are')
      else logger.warn(where, 'a partition could not be compacted; it is tried again later')
      return false
    }
  }

  /** Stores the segment and has it take the ranges' place; false if they were not the same any more. */
  async #compact(log: PartitionLog, ranges: readonly Range[]): Promise<boolean> {
    const { proposer, segments } = this.#options
    const { topicId, partition } = log
    const [first] = ranges as [Range]
    const number = segments.nextNumber()
    const segment = new SegmentBuilder(topicId, partition, first.baseOffset)
    for await (const stored of readRanges(this.#options, log, ranges))
      for (const { range, bytes } of eachRange(stored)) {
        // Log compaction leaves gaps, but only in segments.
        const hasGaps = range.writer < 0
        for (const batch of placedBatches(range, [bytes])) {
          if (hasGaps) segment.skipTo(batch.baseOffset)
          segment.add(batch.bytes, batch.baseOffset, batch.lastOffset)
        }
        if (hasGaps) segment.skipTo(range.endOffset)
        if (segment.endOffset !== range.endOffset)
          throw new CorruptObjectError(`records end at offset ${segment.endOffset} and should at ${range.endOffset}`)
      }
    await segments.put(log, number, segment)
    const from = namedRanges(ranges)
    const to = namedChunks(segment.chunks)
    const { isReplaced } = await proposer.propose('replaceRanges', { topicId, partition, number, from, to })
    return isReplaced
  }
}
