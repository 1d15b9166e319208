import type { Clock } from '../../base/clock.js'
import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import { BatchPosition, readInt64 } from '../../protocol/records/batch.js'
import type { Topic } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Gate } from '../store/gate.js'
import type { ObjectStore } from '../store/object-store.js'
import { type TopicConfig, topicConfig } from '../topic-configs.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import type { CleanerObserver, Cleaning } from './cleaner-observer.js'
import { type Cleanable, type CleaningGroup, cleanableOf, cleaningGroups, mergedSegmentsMin } from './cleaning-plan.js'
import { batchesLeft, type OffsetRules } from './cleaning-steps.js'
import type { CleaningSession, CleaningWork } from './cleaning-work.js'
import { GivingWay } from './giving-way.js'
import { placedBatches } from './placed-batches.js'
import { readRanges, type StoredRanges } from './range-bytes.js'
import { SegmentBuilder } from './segment.js'
import { holdsRanges, namedChunks, namedRanges, type SegmentStore } from './segment-store.js'
import { isShareOf } from './shares.js'

/** Partitions looked at before others get their turn on the event loop. */
const partitionsAtOnce = 500
/** What it costs to put a batch into a segment, as if it were so many bytes more. */
const workOfBatch = 200
/** A partition that could not be cleaned is left alone for so long, milliseconds. */
const failedMs = 10 * 60_000

export interface CleanerOptions {
  store: ObjectStore
  proposer: Proposer
  segments: SegmentStore
  clock: Clock
  log: Log
  observer: CleanerObserver
  ledger: number
  segmentBytes: number
  /** Memory for the keys of one cleaning, bytes. */
  dedupeBufferBytes: number
  /** Does what takes time. */
  work: CleaningWork
  /** Lets one cleaner of the process work, or rest from it, at a time. */
  turn: Gate
  signal: AbortSignal
}

/** What is counted while a partition is cleaned. */
type Counts = Omit<Cleaning, 'outcome' | 'seconds'>

/**
 * Log compaction (`cleanup.policy=compact`) as Kafka's log cleaner does it: notes the last offset of each key in what
 * was never cleaned, then goes over the log from its start and leaves out what has a later record of its key. Segments
 * in which nothing is to be left out stay as they are. Needs no lease: a segment takes the place of exactly the ranges
 * that were read, or none. One partition at a time; it rests as long as it works.
 */
export class Cleaner {
  readonly #options: CleanerOptions
  readonly #failedAtMs = new WeakMap<PartitionLog, number>()
  /** Of partitions with a largest lag: the time of the first record at or after an offset. */
  readonly #timestamps = new WeakMap<PartitionLog, { offset: number; timestampMs: number }>()
  /** The partition being cleaned: its segments are not to be merged with others meanwhile. */
  current: PartitionLog | undefined
  /** The ranges that are read just now. */
  #reading: readonly Range[] = []
  readonly #givingWay: GivingWay

  constructor(options: CleanerOptions) {
    this.#options = options
    this.#givingWay = new GivingWay(options.clock)
  }

  /** Looks at all compacted partitions once, and cleans what is due and this instance's to do. */
  async pass(live: readonly number[]): Promise<void> {
    const { proposer, clock, observer, turn, signal } = this.#options
    let looked = 0
    let maxDirtyRatio = 0
    for (const topic of [...proposer.state.topics.all()]) {
      if (!topicConfig(topic.configs).isCompacted) continue
      for (const log of proposer.state.partitions.ofTopic(topic.id)) {
        if (++looked % partitionsAtOnce === 0) await clock.sleep(0)
        if (!isShareOf(proposer.writer, live, `${log.topicId}/${log.partition}`)) continue
        const clean = () => turn.pass(() => this.#cleanIfDue(topic, log))
        while (!signal.aborted && !this.#hasFailedLately(log) && (await clean()));
        const { dirtyRatio } = cleanableOf(log, topicConfig(topic.configs), clock.now())
        maxDirtyRatio = Math.max(maxDirtyRatio, dirtyRatio)
      }
    }
    observer.looked(maxDirtyRatio)
  }

  #hasFailedLately(log: PartitionLog): boolean {
    return (this.#failedAtMs.get(log) ?? Number.NEGATIVE_INFINITY) > this.#options.clock.monotonic() - failedMs
  }

  /** Cleans a partition if that is due; true if there may be more to do, as not all keys had room in memory. */
  async #cleanIfDue(topic: Topic, log: PartitionLog): Promise<boolean> {
    const { proposer, clock, log: logger, observer, signal } = this.#options
    const config = topicConfig(topic.configs)
    const since = clock.monotonic()
    const counts: Counts = { bytesRead: 0, bytesWritten: 0, records: 0, removed: 0, opaqueBatches: 0 }
    try {
      const cleanable = cleanableOf(log, config, clock.now())
      if (!(await this.#isDue(log, config, cleanable))) return false
      this.current = log
      const firstDirtyOffset = log.firstDirtyOffset
      const isComplete = await this.#clean(log, config, cleanable, counts)
      const seconds = (clock.monotonic() - since) / 1_000
      observer.cleaned({ ...counts, outcome: isComplete ? 'complete' : 'void', seconds })
      const where = { topic: topic.name, partition: log.partition }
      logger.debug({ ...where, isComplete, ...counts, seconds }, 'a partition was cleaned')
      const { opaqueBatches } = counts
      if (opaqueBatches > 0)
        logger.warn({ ...where, opaqueBatches }, 'record batches that cannot be read stay in a compacted partition')
      return isComplete && log.firstDirtyOffset > firstDirtyOffset && log.firstDirtyOffset < cleanable.to
    } catch (error) {
      // What is given up as this instance ends has not failed.
      if (signal.aborted && error === signal.reason) return false
      // Retention or another instance was quicker, and what we were reading is gone.
      const isMissing = error instanceof CorruptObjectError && error.isMissing
      if (isMissing && !(await holdsRanges(proposer, log, this.#reading))) return false
      observer.cleaningFailed()
      this.#failedAtMs.set(log, clock.monotonic())
      const where = { topic: topic.name, partition: log.partition, error: messageOf(error) }
      if (error instanceof CorruptObjectError) logger.error(where, 'stored records are damaged; they stay as they are')
      else logger.warn(where, 'a partition could not be cleaned; it is tried again later')
      return false
    } finally {
      this.current = undefined
    }
  }

  /**
   * As in Kafka: when more than `min.cleanable.dirty.ratio` is dirty, or a dirty record is older than
   * `max.compaction.lag.ms`; and when all tombstones that were cleaned may go, which no new record may ever cause.
   */
  async #isDue(log: PartitionLog, config: TopicConfig, { dirtyBytes, dirtyRatio }: Cleanable): Promise<boolean> {
    const nowMs = this.#options.clock.now()
    if (log.deleteHorizonMs >= 0 && log.deleteHorizonMs <= nowMs) return true
    if (dirtyBytes === 0) return false
    if (dirtyRatio > config.minCleanableDirtyRatio) return true
    if (!Number.isSafeInteger(config.maxCompactionLagMs)) return false
    const firstMs = await this.#firstDirtyTimestampMs(log)
    return firstMs > 0 && firstMs < nowMs - config.maxCompactionLagMs
  }

  async #firstDirtyTimestampMs(log: PartitionLog): Promise<number> {
    const { firstDirtyOffset } = log
    const known = this.#timestamps.get(log)
    if (known?.offset === firstDirtyOffset) return known.timestampMs
    const range = log.ranges.at(log.ranges.find(firstDirtyOffset))
    let timestampMs = range.maxTimestampMs
    for await (const { bytes } of this.#read(log, [range]))
      for (const batch of placedBatches(range, [bytes]))
        if (batch.lastOffset >= firstDirtyOffset) {
          timestampMs = readInt64(batch.bytes, BatchPosition.baseTimestamp)
          break
        }
    this.#timestamps.set(log, { offset: firstDirtyOffset, timestampMs })
    return timestampMs
  }

  /** False if the ranges were not the same any more. */
  async #clean(log: PartitionLog, config: TopicConfig, cleanable: Cleanable, counts: Counts): Promise<boolean> {
    const { work, dedupeBufferBytes, signal } = this.#options
    const from = Math.max(log.firstDirtyOffset, log.logStartOffset)
    const keys = { bytesMax: dedupeBufferBytes, keysMax: Math.max(cleanable.to - from, 0), from }
    const session = await work.begin(keys, signal)
    try {
      return await this.#cleanWith(session, log, config, { ...cleanable, from }, counts)
    } finally {
      session.end()
    }
  }

  async #cleanWith(
    session: CleaningSession,
    log: PartitionLog,
    config: TopicConfig,
    dirty: { from: number; to: number },
    counts: Counts,
  ): Promise<boolean> {
    const { proposer, clock, segmentBytes, signal } = this.#options
    const { topicId, partition, firstDirtyOffset, logStartOffset } = log
    const nowMs = clock.now()
    const mapEnd = await this.#noteKeys(session, log, dirty, counts)
    const rules: OffsetRules = {
      firstDirtyOffset,
      mapEnd,
      logStartOffset,
      lastOffset: log.endOffset - 1,
      nowMs,
      deleteRetentionMs: config.deleteRetentionMs,
    }
    const found = { deleteHorizonMs: -1 }
    // Old and young records together would go as late as the young ones.
    const isTimed = config.cleanupPolicy.includes('delete') && config.retentionMs >= 0
    for (const group of cleaningGroups(log, mapEnd, isTimed ? 0 : segmentBytes)) {
      if (signal.aborted || !(await this.#cleanGroup(session, log, group, rules, found, counts))) return false
    }
    const marks = { topicId, partition, from: firstDirtyOffset, to: mapEnd, deleteHorizonMs: found.deleteHorizonMs }
    const { isMarked } = await proposer.propose('markCleaned', marks)
    return isMarked
  }

  /** Notes the last offsets of the keys between two offsets; gives the offset up to which there was room for them. */
  async #noteKeys(
    session: CleaningSession,
    log: PartitionLog,
    { from, to }: { from: number; to: number },
    counts: Counts,
  ): Promise<number> {
    const { clock, signal } = this.#options
    const ranges: Range[] = []
    for (let index = log.ranges.find(from); index < log.ranges.length; index++) {
      const range = log.ranges.at(index)
      if (range.baseOffset >= to) break
      ranges.push(range)
    }
    let since = clock.monotonic()
    for await (const stored of this.#read(log, ranges)) {
      if (signal.aborted) break
      counts.bytesRead += stored.bytes.length
      const full = await session.note(stored)
      if (full !== undefined) return full
      since = await this.#rest(since)
    }
    return to
  }

  /** Stores what is left of some ranges and has it take their place; false if they were not the same any more. */
  async #cleanGroup(
    session: CleaningSession,
    log: PartitionLog,
    group: CleaningGroup,
    rules: OffsetRules,
    found: { deleteHorizonMs: number },
    counts: Counts,
  ): Promise<boolean> {
    const { proposer, segments, clock, signal } = this.#options
    const { topicId, partition } = log
    const since = clock.monotonic()
    const number = segments.nextNumber()
    const [first] = group.ranges as [Range]
    const segment = new SegmentBuilder(topicId, partition, first.baseOffset)
    let isChanged = group.segments >= mergedSegmentsMin
    for await (const stored of this.#read(log, group.ranges)) {
      if (signal.aborted) return false
      const { endOffset } = stored.ranges.at(-1) as Range
      counts.bytesRead += stored.bytes.length
      const cleaned = await session.clean(stored, rules)
      counts.opaqueBatches += cleaned.opaqueBatches
      found.deleteHorizonMs = Math.max(found.deleteHorizonMs, cleaned.deleteHorizonMs)
      counts.records += cleaned.records
      counts.removed += cleaned.removed
      isChanged ||= cleaned.isChanged
      for (const { bytes, baseOffset, lastOffset } of batchesLeft(cleaned)) {
        segment.skipTo(baseOffset)
        segment.add(bytes, baseOffset, lastOffset)
        await this.#givingWay.did(bytes.length + workOfBatch)
      }
      segment.skipTo(endOffset)
    }
    if (isChanged) {
      if (segment.chunks.length > 0) {
        await segments.put(log, number, segment)
        counts.bytesWritten += segment.length
      }
      const from = namedRanges(group.ranges)
      const to = namedChunks(segment.chunks)
      const { isReplaced } = await proposer.propose('cleanRanges', { topicId, partition, number, from, to })
      if (!isReplaced) return false
    }
    await this.#rest(since)
    return true
  }

  #read(log: PartitionLog, ranges: readonly Range[]): AsyncGenerator<StoredRanges> {
    this.#reading = ranges
    return readRanges(this.#options, log, ranges)
  }

  /** Waits as long as has passed since; the time of its end. */
  async #rest(sinceMs: number): Promise<number> {
    const { clock, signal } = this.#options
    await clock.sleep(clock.monotonic() - sinceMs, signal)
    return clock.monotonic()
  }
}
