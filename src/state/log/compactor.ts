import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { objectKey, segmentKey } from '../ledger/keys.js'
import type { Proposer } from '../ledger/proposer.js'
import type { ObjectStore } from '../store/object-store.js'
import { putOwn } from '../store/retrying.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import { nextRun, type PlanOptions } from './compaction-plan.js'
import type { UpkeepObserver } from './observer.js'
import { placedBatches } from './reader.js'
import { SegmentBuilder } from './segment.js'
import { isShareOf } from './shares.js'

/** Reads of the store under way at once, and the most bytes of one. */
const readsAtOnce = 8
const readBytesMax = 4 * 1024 * 1024
/** Partitions looked at before others get their turn on the event loop. */
const partitionsAtOnce = 500
/** A partition that could not be compacted is left alone for so long, milliseconds. */
const failedMs = 10 * 60_000
const putAttemptsMax = 3

export interface CompactorOptions {
  store: ObjectStore
  proposer: Proposer
  clock: Clock
  random: Random
  log: Log
  observer: UpkeepObserver
  ledger: number
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
  #lastNumber = 0
  readonly #failedAtMs = new WeakMap<PartitionLog, number>()

  constructor(options: CompactorOptions) {
    this.#options = options
  }

  /** Looks at all partitions once, and compacts what is due and this instance's to do. */
  async pass(plan: PlanOptions, live: readonly number[]): Promise<void> {
    const { proposer, clock, signal } = this.#options
    let looked = 0
    for (const topic of [...proposer.state.topics.all()])
      for (const log of proposer.state.partitions.ofTopic(topic.id)) {
        if (++looked % partitionsAtOnce === 0) await clock.sleep(0)
        if (nextRun(log.ranges, plan) === undefined || this.#hasFailedLately(log)) continue
        if (!isShareOf(proposer.writer, live, `${log.topicId}/${log.partition}`)) continue
        while (!signal.aborted && (await this.#compactNext(log, plan)));
      }
  }

  #hasFailedLately(log: PartitionLog): boolean {
    return (this.#failedAtMs.get(log) ?? Number.NEGATIVE_INFINITY) > this.#options.clock.monotonic() - failedMs
  }

  /** Compacts the next run of a partition; false if none is due, or it was not to be. */
  async #compactNext(log: PartitionLog, plan: PlanOptions): Promise<boolean> {
    const run = nextRun(log.ranges, plan)
    if (run === undefined) return false
    const { clock, log: logger, observer, signal } = this.#options
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
      if (isMissing && !(await this.#holds(log, ranges[0] as Range))) return false
      observer.compactionFailed()
      this.#failedAtMs.set(log, clock.monotonic())
      const where = { topicId: log.topicId, partition: log.partition, error: messageOf(error) }
      if (error instanceof CorruptObjectError) logger.error(where, 'stored records are damaged; they stay as they are')
      else logger.warn(where, 'a partition could not be compacted; it is tried again later')
      return false
    }
  }

  /** Whether a range is still where it was, by all that anybody wrote. */
  async #holds(log: PartitionLog, first: Range): Promise<boolean> {
    const { proposer } = this.#options
    await proposer.barrier()
    if (proposer.state.partitions.get(log.topicId, log.partition) !== log) return false
    const index = log.ranges.find(first.baseOffset)
    return index < log.ranges.length && log.ranges.numberAt(index) === first.number
  }

  /** Stores the segment and has it take the ranges' place; false if they were not the same any more. */
  async #compact(log: PartitionLog, ranges: readonly Range[]): Promise<boolean> {
    const { store, proposer, clock, random } = this.#options
    const { topicId, partition } = log
    const [first] = ranges as [Range]
    const number = Math.max(proposer.state.position, this.#lastNumber + 1)
    this.#lastNumber = number
    const segment = new SegmentBuilder(topicId, partition, first.baseOffset)
    for await (const { range, bytes } of this.#read(log, ranges)) {
      for (const batch of placedBatches(range, [bytes])) segment.add(batch.bytes, batch.baseOffset, batch.lastOffset)
      if (segment.endOffset !== range.endOffset)
        throw new CorruptObjectError(`records end at offset ${segment.endOffset} and should at ${range.endOffset}`)
    }
    const pieces = segment.finish()
    await putOwn(store, segmentKey(topicId, partition, proposer.writer, number), pieces, {
      clock,
      random,
      attemptsMax: putAttemptsMax,
    })
    const { isReplaced } = await proposer.propose('replaceRanges', {
      topicId,
      partition,
      number,
      from: ranges.flatMap((range) => [
        range.baseOffset,
        range.endOffset,
        range.writer,
        range.number,
        range.position,
        range.length,
      ]),
      to: segment.chunks.flatMap((chunk) => [chunk.endOffset, chunk.position, chunk.length, chunk.maxTimestampMs]),
    })
    return isReplaced
  }

  /** The bytes of the ranges in their order, several reads under way at once. They are the caller's to change. */
  async *#read(log: PartitionLog, ranges: readonly Range[]): AsyncGenerator<{ range: Range; bytes: Buffer }> {
    const reads: Promise<{ range: Range; bytes: Buffer }[]>[] = []
    const waiting = together(ranges)
    for (;;) {
      while (reads.length < readsAtOnce) {
        const next = waiting.shift()
        if (next === undefined) break
        const read = this.#readTogether(log, next)
        // It is awaited in its turn, or not at all if one before it fails.
        read.catch(() => undefined)
        reads.push(read)
      }
      const read = reads.shift()
      if (read === undefined) return
      yield* await read
    }
  }

  /** Reads ranges that lie side by side in one object. */
  async #readTogether(log: PartitionLog, ranges: readonly Range[]): Promise<{ range: Range; bytes: Buffer }[]> {
    const [first] = ranges as [Range]
    const key = objectKey(this.#options.ledger, log.topicId, log.partition, first)
    const length = ranges.reduce((sum, range) => sum + range.length, 0)
    const object = await this.#options.store.get(key, { position: first.position, length })
    if (object === undefined) throw new CorruptObjectError(`${key} is missing`, { isMissing: true })
    if (object.bytes.length < length) throw new CorruptObjectError(`${key} ends before its records do`)
    return ranges.map((range) => {
      const start = range.position - first.position
      return { range, bytes: object.bytes.subarray(start, start + range.length) }
    })
  }
}

/** Groups ranges that one read can fetch. */
function together(ranges: readonly Range[]): Range[][] {
  const groups: Range[][] = []
  let bytes = 0
  for (const range of ranges) {
    const last = groups.at(-1)?.at(-1)
    const follows =
      last?.writer === range.writer && last.number === range.number && last.position + last.length === range.position
    if (follows && bytes + range.length <= readBytesMax) groups.at(-1)?.push(range)
    else {
      groups.push([range])
      bytes = 0
    }
    bytes += range.length
  }
  return groups
}
