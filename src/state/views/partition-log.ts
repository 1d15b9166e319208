import { ErrorCode } from '../../protocol/error-codes.js'
import type { AppendOutcome, LivePartition, LogOffsets, TopicId } from '../cluster.js'
import { type Capturable, type Captured, Captures, type Slices } from './capture.js'
import { ProducerSequences } from './producer-sequences.js'
import { type Range, RangeTable, rangeBytes } from './ranges.js'
import type { State } from './state.js'
import type { ApplyTable, Place, StateEvents } from './view.js'

/** One partition: where its records lie, and who wrote last. */
export class PartitionLog implements Capturable, LivePartition {
  readonly topicId: TopicId
  readonly partition: number
  ranges = new RangeTable()
  producers = new ProducerSequences()
  logStartOffset = 0
  /** One past the last record. */
  endOffset = 0
  /** Of a compacted topic: records before this are the last of their keys, as far as records before this tell. */
  firstDirtyOffset = 0
  /** When the last of the tombstones before `firstDirtyOffset` may go, milliseconds since the epoch; -1 for none. */
  deleteHorizonMs = -1
  captured: number
  /** Its topic was deleted. Not part of the state: then it isn't either. */
  isGone = false

  constructor(topicId: TopicId, partition: number, captured = 0) {
    this.topicId = topicId
    this.partition = partition
    this.captured = captured
  }

  /** All records in it are durable. */
  get highWatermark(): number {
    return this.endOffset
  }

  get lastStableOffset(): number {
    return this.endOffset
  }

  offsets(): LogOffsets {
    const { logStartOffset, highWatermark, lastStableOffset } = this
    return { logStartOffset, highWatermark, lastStableOffset }
  }

  toSnapshot(ranges = this.ranges.toSnapshot()): unknown {
    return [
      this.logStartOffset,
      this.endOffset,
      ranges,
      this.producers.toSnapshot(),
      this.firstDirtyOffset,
      this.deleteHorizonMs,
    ]
  }

  static fromSnapshot(topicId: TopicId, partition: number, snapshot: unknown): PartitionLog {
    // The last two came with format 3.
    const [logStartOffset, endOffset, ranges, producers, firstDirtyOffset = 0, deleteHorizonMs = -1] = snapshot as [
      number,
      number,
      Uint8Array,
      unknown,
      number?,
      number?,
    ]
    const log = new PartitionLog(topicId, partition)
    log.logStartOffset = logStartOffset
    log.endOffset = endOffset
    log.ranges = RangeTable.fromSnapshot(ranges)
    log.producers = ProducerSequences.fromSnapshot(producers)
    log.firstDirtyOffset = firstDirtyOffset
    log.deleteHorizonMs = deleteHorizonMs
    return log
  }
}

/** What a log, and a producer of it, takes in a snapshot, bytes. */
const logBytes = 60
const producerBytes = 100

function captureLog(log: PartitionLog, isChanging: boolean): Captured {
  const ranges = isChanging ? log.ranges.toSnapshot() : log.ranges.view()
  const bytes = logBytes + log.ranges.length * rangeBytes + log.producers.size * producerBytes
  return { plain: [log.topicId, log.partition, log.toSnapshot(ranges)], bytes }
}

/** The logs of all partitions that are in this ledger. */
export class PartitionLogs {
  /** In the order of their partitions, of which some may be in other ledgers. */
  readonly #logs = new Map<TopicId, PartitionLog[]>()
  /**
   * Segments with lower numbers can't enter the log any more. A segment's number is the position of the state from
   * which its writer made it; so what is numbered below this, and referred to by nothing, can never be needed again.
   */
  segmentsFrom = 0
  readonly #captures = new Captures<PartitionLog>(captureLog)

  get(topicId: TopicId, partition: number): PartitionLog | undefined {
    const logs = this.#logs.get(topicId)
    const log = logs?.[partition]
    // So it is where a ledger has all partitions of a topic.
    if (log?.partition === partition) return log
    return logs && logAt(logs, partition)
  }

  ofTopic(topicId: TopicId): readonly PartitionLog[] {
    return this.#logs.get(topicId) ?? []
  }

  /** Makes the topic have at least `count` partitions, of which those are here that are `own`. */
  extend(topicId: TopicId, count: number, own: (partition: number) => boolean = () => true): void {
    const logs = this.#logs.get(topicId) ?? []
    for (let partition = (logs.at(-1)?.partition ?? -1) + 1; partition < count; partition++)
      if (own(partition)) logs.push(new PartitionLog(topicId, partition, this.#captures.count))
    // A topic without any has no place among those that do: a snapshot would not know of it.
    if (logs.length > 0) this.#logs.set(topicId, logs)
  }

  /** To be called before a log is changed. */
  willChange(log: PartitionLog): void {
    this.#captures.willChange(log)
  }

  /** Begins to take all logs as they are now. */
  capture(): Slices {
    return this.#captures.begin([...this.#logs.values()].flat())
  }

  /** Takes back a log that a capture gave; in the same order. */
  restore(plain: unknown): void {
    const [topicId, partition, log] = plain as [TopicId, number, unknown]
    const logs = this.#logs.get(topicId)
    const restored = PartitionLog.fromSnapshot(topicId, partition, log)
    if (logs === undefined) this.#logs.set(topicId, [restored])
    else logs.push(restored)
  }

  removeTopic(topicId: TopicId): void {
    for (const log of this.ofTopic(topicId)) log.isGone = true
    this.#logs.delete(topicId)
  }

  toSnapshot(): unknown {
    const topics = [...this.#logs].map(([topicId, logs]) => {
      const plain = logs.map((log) => log.toSnapshot())
      const isWhole = logs.every(({ partition }, index) => partition === index)
      return isWhole ? [topicId, plain] : [topicId, plain, logs.map(({ partition }) => partition)]
    })
    return [this.segmentsFrom, topics]
  }

  static fromSnapshot(snapshot: unknown): PartitionLogs {
    const logs = new PartitionLogs()
    const [segmentsFrom, topics] = snapshot as [number, [TopicId, unknown[], number[]?][]]
    logs.segmentsFrom = segmentsFrom
    for (const [topicId, plain, partitions] of topics)
      logs.#logs.set(
        topicId,
        plain.map((log, index) => PartitionLog.fromSnapshot(topicId, partitions?.[index] ?? index, log)),
      )
    return logs
  }
}

/** The log of a partition among some that are in order. */
function logAt(logs: readonly PartitionLog[], partition: number): PartitionLog | undefined {
  let low = 0
  for (let high = logs.length; low < high; ) {
    const middle = (low + high) >>> 1
    if ((logs[middle] as PartitionLog).partition < partition) low = middle + 1
    else high = middle
  }
  return logs[low]?.partition === partition ? logs[low] : undefined
}

/** Numbers that a batch takes in an append command. */
export const batchStride = 9

/**
 * Appends batches that lie one after the other in the command's body. Each takes `batchStride` numbers: index of the
 * topic in `topics`, partition, length in bytes, record count, largest timestamp, producer id, producer epoch, base
 * sequence (-1 each without idempotence), flags (0). One flat list, since this is the command that a loaded ledger
 * consists of.
 */
export interface AppendCommand {
  topics: TopicId[]
  batches: number[]
}

/** Moves the log start of a partition forward; never back, never beyond the end. -1 stands for the end. */
export interface DeleteRecordsCommand {
  topicId: TopicId
  partition: number
  offset: number
}

/**
 * Says that the records of some ranges now lie in a segment of the proposer's. Void unless the partition still has
 * exactly those ranges side by side: each `from` is base offset, end offset, writer, number, position, length.
 * `to` are the segment's chunks: end offset, position, length, largest timestamp.
 */
export interface ReplaceRangesCommand {
  topicId: TopicId
  partition: number
  /** The segment's number. */
  number: number
  from: number[]
  to: number[]
}

/** Numbers that a range takes in `from`, and a chunk in `to`. */
export const fromStride = 6
export const toStride = 4

/** Keeps segments numbered below `below` out of all logs for ever; see `PartitionLogs.segmentsFrom`. */
export interface FenceSegmentsCommand {
  below: number
}

/** Forgets the sequences of producers that appended nothing since `beforeMs`. */
export interface ForgetProducersCommand {
  beforeMs: number
}

export interface PartitionLogCommands {
  append: { command: AppendCommand; outcome: AppendOutcome[] }
  deleteRecords: { command: DeleteRecordsCommand; outcome: { errorCode: ErrorCode; logStartOffset: number } }
  forgetProducers: { command: ForgetProducersCommand; outcome: undefined }
  replaceRanges: { command: ReplaceRangesCommand; outcome: { isReplaced: boolean } }
  fenceSegments: { command: FenceSegmentsCommand; outcome: undefined }
}

export const partitionLogApply: ApplyTable<PartitionLogCommands> = {
  append(state, command, place, events) {
    const { topics, batches } = command
    const outcomes: AppendOutcome[] = []
    let position = place.body.position
    for (let at = 0; at < batches.length; at += batchStride) {
      outcomes.push(appendBatch(state, topics[batches[at] as number] as TopicId, batches, at, position, place, events))
      position += batches[at + 2] as number
    }
    return outcomes
  },

  deleteRecords(state, command, _place, events) {
    const log = state.partitions.get(command.topicId, command.partition)
    if (log === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, logStartOffset: -1 }
    const offset = command.offset === -1 ? log.endOffset : command.offset
    if (offset < 0 || offset > log.endOffset) return { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, logStartOffset: -1 }
    if (offset > log.logStartOffset) {
      state.partitions.willChange(log)
      log.logStartOffset = offset
      log.ranges.dropBefore(offset)
      events.partitionChanged(command.topicId, command.partition)
    }
    return { errorCode: ErrorCode.NONE, logStartOffset: log.logStartOffset }
  },

  forgetProducers(state, command) {
    for (const topic of state.topics.all())
      for (const log of state.partitions.ofTopic(topic.id)) {
        if (!log.producers.hasIdle(command.beforeMs)) continue
        state.partitions.willChange(log)
        log.producers.forget(command.beforeMs)
      }
    return undefined
  },

  replaceRanges(state, command, place) {
    const log = state.partitions.get(command.topicId, command.partition)
    if (log === undefined || command.number < state.partitions.segmentsFrom) return { isReplaced: false }
    const { from, to } = command
    const index = log.ranges.find(from[0] as number)
    const chunks = chunksOf(command, -place.writer)
    const isSame = from[from.length - fromStride + 1] === chunks.at(-1)?.endOffset
    if (!isSame || to.length === 0 || !holdsRanges(log.ranges, index, from)) return { isReplaced: false }
    state.partitions.willChange(log)
    log.ranges.replace(index, from.length / fromStride, chunks)
    return { isReplaced: true }
  },

  fenceSegments(state, { below }) {
    state.partitions.segmentsFrom = Math.max(state.partitions.segmentsFrom, below)
    return undefined
  },
}

/** Whether there are exactly those ranges from `index` on; `wanted` as in `ReplaceRangesCommand.from`. */
export function holdsRanges(ranges: RangeTable, index: number, wanted: readonly number[]): boolean {
  if (index + wanted.length / fromStride > ranges.length) return false
  for (let i = 0; i < wanted.length / fromStride; i++) {
    const { baseOffset, endOffset, writer, number, position, length } = ranges.at(index + i)
    const found = [baseOffset, endOffset, writer, number, position, length]
    if (found.some((value, field) => value !== wanted[i * fromStride + field])) return false
  }
  return true
}

/** The ranges that a segment's chunks become; each begins where the one before ends. */
export function chunksOf({ number, from, to }: ReplaceRangesCommand, writer: number): Range[] {
  const chunks: Range[] = []
  let baseOffset = from[0] as number
  for (let at = 0; at < to.length; at += toStride) {
    const [endOffset, position, length, maxTimestampMs] = to.slice(at, at + toStride) as [
      number,
      number,
      number,
      number,
    ]
    chunks.push({ baseOffset, endOffset, writer, number, position, length, maxTimestampMs })
    baseOffset = endOffset
  }
  return chunks
}

function appendBatch(
  state: State,
  topicId: TopicId,
  numbers: number[],
  at: number,
  position: number,
  place: Place,
  events: StateEvents,
): AppendOutcome {
  const partition = numbers[at + 1] as number
  const log = state.partitions.get(topicId, partition)
  if (log === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
  const recordCount = numbers[at + 3] as number
  const producerId = numbers[at + 5] as number
  const baseOffset = log.endOffset
  if (producerId >= 0) {
    const batch = {
      producerId,
      producerEpoch: numbers[at + 6] as number,
      baseSequence: numbers[at + 7] as number,
      recordCount,
    }
    const check = log.producers.check(batch, baseOffset === 0)
    if (check.kind === 'refused') return refused(check.errorCode, log.logStartOffset)
    if (check.kind === 'duplicate')
      return { errorCode: ErrorCode.NONE, baseOffset: check.baseOffset, logStartOffset: log.logStartOffset }
    state.partitions.willChange(log)
    log.producers.appended(batch, baseOffset, place.timeMs)
  }
  state.partitions.willChange(log)
  const endOffset = baseOffset + recordCount
  log.ranges.append({
    baseOffset,
    endOffset,
    writer: place.body.writer,
    number: place.body.number,
    position,
    length: numbers[at + 2] as number,
    maxTimestampMs: numbers[at + 4] as number,
  })
  log.endOffset = endOffset
  events.partitionChanged(topicId, partition)
  return { errorCode: ErrorCode.NONE, baseOffset, logStartOffset: log.logStartOffset }
}

const refused = (errorCode: ErrorCode, logStartOffset: number): AppendOutcome => ({
  errorCode,
  baseOffset: -1,
  logStartOffset,
})
