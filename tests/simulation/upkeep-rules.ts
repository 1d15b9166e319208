import { ErrorCode } from '../../src/protocol/error-codes.js'
import { batchSizeOf, lastOffsetDeltaOf, maxTimestampOf, readInt64 } from '../../src/protocol/records/batch.js'
import type { AppendOutcome, TopicId } from '../../src/state/cluster.js'
import { objectKey } from '../../src/state/ledger/keys.js'
import type { CommandOf } from '../../src/state/views/commands.js'
import { batchStride } from '../../src/state/views/partition-log.js'
import type { Range } from '../../src/state/views/ranges.js'
import type { State } from '../../src/state/views/state.js'
import type { Place } from '../../src/state/views/view.js'
import { isCompacted } from './compacted.js'
import type { History } from './history.js'

/** The store as the rules ask for it. */
export interface StoreWitness {
  /** An object that was ever stored. */
  object(key: string): Buffer | undefined
  /** Whether it was deleted by now, where the ledger stands. */
  isDeleted(key: string): boolean
  /** Whether a writer's wall clock ever went back: then it says nothing about ages. */
  hasBeenSetBack(writer: number): boolean
  /** When the entry was stored where the ledger stands, by the virtual clock. */
  storedAtMs(): number
}

interface Batch {
  endOffset: number
  length: number
  maxTimestampMs: number
}

/** A partition's batches as they were appended, and what is left of them. */
interface LogModel {
  startOffset: number
  endOffset: number
  /** Those that are not deleted, in their order. */
  batches: Batch[]
}

/** The bytes of a batch from here on are the producer's, wherever they lie: what comes before is the log's to fill in. */
const fixedFrom = 16

/** What retention, DeleteRecords, and compaction into segments may do to a log, said a second time. */
export class UpkeepRules {
  readonly #history: History
  readonly #store: StoreWitness
  readonly #ledger: number
  readonly #logs = new Map<string, LogModel>()
  #rangesBefore: Range[] | undefined
  #segmentsFrom = 0

  constructor(history: History, store: StoreWitness, ledger: number) {
    this.#ledger = ledger
    this.#history = history
    this.#store = store
  }

  appended({ topics, batches }: CommandOf<'append'>, outcomes: readonly AppendOutcome[], place: Place): void {
    for (let i = 0; i * batchStride < batches.length; i++) {
      const [topic = 0, partition = 0, length = 0, recordCount = 0, maxTimestampMs = 0] = batches.slice(i * batchStride)
      const { errorCode, baseOffset } = outcomes[i] as AppendOutcome
      const log = this.#log(topics[topic] as TopicId, partition)
      // A duplicate stands where it stood.
      if (errorCode !== ErrorCode.NONE || baseOffset !== log.endOffset) continue
      log.endOffset += recordCount
      log.batches.push({ endOffset: log.endOffset, length, maxTimestampMs })
      const key = objectKey(this.#ledger, topics[topic] as TopicId, partition, place.body)
      if (this.#store.object(key) === undefined)
        this.#violation('missing object', `${key} holds records, and is not there`)
      if (this.#store.isDeleted(key)) this.#violation('missing object', `${key} was deleted before it came to count`)
    }
  }

  deletedRecords(state: State, command: CommandOf<'deleteRecords'>, place: Place): void {
    const { topicId, partition, offset } = command
    const found = state.partitions.get(topicId, partition)
    if (found === undefined) return
    const log = this.#log(topicId, partition)
    const wanted = offset === -1 ? log.endOffset : offset
    const start = wanted > log.endOffset ? log.startOffset : Math.max(log.startOffset, wanted)
    const where = `${topicId}-${partition}`
    if (found.logStartOffset !== start)
      this.#violation('log start', `${where} starts at ${found.logStartOffset} after a deletion up to ${wanted}`)
    const gone = log.batches.findIndex(({ endOffset }) => endOffset > start)
    const removed = log.batches.splice(0, gone < 0 ? log.batches.length : gone)
    log.startOffset = start
    const asked = this.#history.topic(topicId)?.deletedBelow.get(partition) ?? 0
    const unasked = removed.filter(({ endOffset }) => endOffset > asked)
    // What retention takes of a compacted log had made room for later records in part.
    if (!isCompacted(state, topicId)) this.#checkRetention(state, command, unasked, log.batches, place)
  }

  /** Nobody asked for it, so each batch has to be too old, or one too many. */
  #checkRetention(
    state: State,
    { topicId, partition, offset }: CommandOf<'deleteRecords'>,
    removed: readonly Batch[],
    left: readonly Batch[],
    { timeMs, writer }: Place,
  ): void {
    if (this.#store.hasBeenSetBack(writer)) return
    const configs = state.topics.byId(topicId)?.configs
    const retentionMs = Number(configs?.get('retention.ms') ?? 7 * 24 * 60 * 60_000)
    const retentionBytes = Number(configs?.get('retention.bytes') ?? -1)
    let bytesAfter = left.reduce((sum, { length }) => sum + length, 0)
    for (const { endOffset, length, maxTimestampMs } of [...removed].reverse()) {
      const isOld = retentionMs >= 0 && maxTimestampMs < timeMs - retentionMs
      const isBeyond = retentionBytes >= 0 && bytesAfter >= retentionBytes
      if (!isOld && !isBeyond) {
        const age = `${timeMs - maxTimestampMs} ms old, ${bytesAfter} bytes before the end`
        const rule = `retention.ms ${retentionMs}, retention.bytes ${retentionBytes}`
        this.#violation('retention', `${topicId}-${partition} lost ${endOffset - 1} for ${offset}: ${age}; ${rule}`)
      }
      bytesAfter += length
    }
  }

  beforeReplacement(state: State, { topicId, partition }: CommandOf<'replaceRanges'>): void {
    this.#rangesBefore = rangesOf(state, topicId, partition)
    this.#segmentsFrom = state.partitions.segmentsFrom
  }

  replaced(state: State, command: CommandOf<'replaceRanges'>, isReplaced: boolean, { writer }: Place): void {
    const { topicId, partition, number, from, to } = command
    const before = this.#rangesBefore
    const old: number[][] = []
    for (let at = 0; at < from.length; at += 6) old.push(from.slice(at, at + 6))
    const chunks: number[][] = []
    for (let at = 0; at < to.length; at += 4) chunks.push(to.slice(at, at + 4))
    const plain = before?.map((range) => [
      range.baseOffset,
      range.endOffset,
      range.writer,
      range.number,
      range.position,
      range.length,
    ])
    const index = plain?.findIndex(([baseOffset]) => baseOffset === old[0]?.[0]) ?? -1
    const isDue =
      number >= this.#segmentsFrom && index >= 0 && `${plain?.slice(index, index + old.length)}` === `${old}`
    const where = `${topicId}-${partition}, segment ${number} of ${writer}`
    if (isDue !== isReplaced) this.#violation('replacement', `${where}: ${isReplaced}, should be ${isDue}`)
    if (!isReplaced || before === undefined) return
    let baseOffset = old[0]?.[0] as number
    const expected = chunks.map(([endOffset = 0, position = 0, length = 0, maxTimestampMs = 0]) => {
      const range: Range = { baseOffset, endOffset, writer: -writer, number, position, length, maxTimestampMs }
      baseOffset = endOffset
      return range
    })
    const flushed = before.splice(index, old.length, ...expected)
    if (JSON.stringify(rangesOf(state, topicId, partition)) !== JSON.stringify(before))
      this.#violation('replacement', `${where} left other ranges than it should`)
    this.#compareBytes(where, topicId, partition, flushed, expected, isCompacted(state, topicId))
  }

  /** The segment has the same batches at the same offsets as the ranges whose place it takes. */
  #compareBytes(
    where: string,
    topicId: TopicId,
    partition: number,
    old: Range[],
    chunks: Range[],
    mayHaveGaps: boolean,
  ): void {
    const then = this.#batchesOf(topicId, partition, old, mayHaveGaps)
    const now = this.#batchesOf(topicId, partition, chunks, mayHaveGaps)
    if (then === undefined || now === undefined) {
      this.#violation('missing object', `${where} lacks bytes`)
      return
    }
    const largest = new Map<number, number>()
    for (const [i, { bytes, baseOffset, endOffset }] of now.entries()) {
      const original = then[i]
      const isSame = original?.bytes.subarray(fixedFrom).equals(bytes.subarray(fixedFrom)) ?? false
      if (!isSame || original?.baseOffset !== baseOffset || readInt64(bytes, 0) !== baseOffset) {
        this.#violation('segment', `${where} holds other bytes at ${baseOffset}`)
        return
      }
      const chunkEnd = chunks.find((each) => each.endOffset >= endOffset)?.endOffset ?? -1
      largest.set(chunkEnd, Math.max(largest.get(chunkEnd) ?? -1, maxTimestampOf(bytes)))
    }
    for (const { endOffset, maxTimestampMs } of chunks)
      if (largest.get(endOffset) !== maxTimestampMs)
        this.#violation('segment', `${where}: timestamps up to ${endOffset}`)
    if (now.length !== then.length || now.at(-1)?.endOffset !== then.at(-1)?.endOffset)
      this.#violation('segment', `${where} has ${now.length} batches, not ${then.length}`)
  }

  /** All batches of the ranges, wherever they lie; undefined if an object, or a part of one, is missing. */
  #batchesOf(topicId: TopicId, partition: number, ranges: readonly Range[], mayHaveGaps: boolean) {
    const batches: { bytes: Buffer; baseOffset: number; endOffset: number }[] = []
    for (const range of ranges) {
      const key = objectKey(this.#ledger, topicId, partition, range)
      const object = this.#store.object(key)
      if (object === undefined || this.#store.isDeleted(key) || object.length < range.position + range.length)
        return undefined
      let { baseOffset } = range
      const end = range.position + range.length
      for (let at = range.position; at < end; ) {
        const size = batchSizeOf(object, at)
        if (size <= fixedFrom || at + size > end) return undefined
        // Where log compaction left gaps, batches know their offset.
        if (mayHaveGaps && range.writer < 0) baseOffset = readInt64(object, at)
        const endOffset = baseOffset + lastOffsetDeltaOf(object, at) + 1
        batches.push({ bytes: object.subarray(at, at + size), baseOffset, endOffset })
        baseOffset = endOffset
        at += size
      }
    }
    return batches
  }

  fenced(state: State, { below }: CommandOf<'fenceSegments'>): void {
    const { segmentsFrom } = state.partitions
    if (segmentsFrom < below || segmentsFrom > state.position)
      this.#violation('segment fence', `${segmentsFrom} after a fence below ${below} at ${state.position}`)
  }

  deletedTopic(topicId: TopicId): void {
    for (const log of this.#logs.keys()) if (log.startsWith(topicId)) this.#logs.delete(log)
  }

  #log(topicId: TopicId, partition: number): LogModel {
    const name = `${topicId}-${partition}`
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = { startOffset: 0, endOffset: 0, batches: [] }
      this.#logs.set(name, log)
    }
    return log
  }

  #violation(checker: string, text: string): void {
    this.#history.violation(checker, text)
  }
}

export function rangesOf(state: State, topicId: TopicId, partition: number): Range[] | undefined {
  const ranges = state.partitions.get(topicId, partition)?.ranges
  return ranges && Array.from({ length: ranges.length }, (_, i) => ranges.at(i))
}
