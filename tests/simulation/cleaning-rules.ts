import { ErrorCode } from '../../src/protocol/error-codes.js'
import {
  attributesOf,
  BatchAttribute,
  BatchPosition,
  batchSizeOf,
  lastOffsetDeltaOf,
  readInt64,
  writeInt64,
} from '../../src/protocol/records/batch.js'
import { decodeRecords } from '../../src/protocol/records/record.js'
import type { AppendOutcome, TopicId } from '../../src/state/cluster.js'
import { objectKey } from '../../src/state/ledger/keys.js'
import type { CommandOf } from '../../src/state/views/commands.js'
import { batchStride } from '../../src/state/views/partition-log.js'
import type { State } from '../../src/state/views/state.js'
import type { Place } from '../../src/state/views/view.js'
import { isCompacted } from './compacted.js'
import type { History } from './history.js'
import { rangesOf, type StoreWitness } from './upkeep-rules.js'

/** A cleaning does not take longer from its start to its last command, milliseconds; clocks differ by less, too. */
const cleaningMs = 50_000

interface KeyedRecord {
  key: string
  /** Key and value. */
  text: string
  isTombstone: boolean
  timestampMs: number
}

/** A compacted partition as it was appended and as it is. */
interface KeyedLog {
  /** All records that ever were, of each key by offset. */
  appended: Map<string, { offset: number; timestampMs: number }[]>
  /** Those that are there now. */
  records: Map<number, KeyedRecord>
  firstDirtyOffset: number
}

interface FoundBatch {
  records: Map<number, KeyedRecord>
  /** When tombstones in it may go. */
  horizonMs: number | undefined
}

/** What log compaction may do to a log, said a second time: from the records that are there before and after. */
export class CleaningRules {
  readonly #history: History
  readonly #store: StoreWitness
  readonly #ledger: number
  readonly #logs = new Map<string, KeyedLog>()
  #before: { ranges: ReturnType<typeof rangesOf>; segmentsFrom: number } = { ranges: undefined, segmentsFrom: 0 }
  /** Records that were left out so far. */
  removed = 0

  constructor(history: History, store: StoreWitness, ledger: number) {
    this.#ledger = ledger
    this.#history = history
    this.#store = store
  }

  appended(
    state: State,
    { topics, batches }: CommandOf<'append'>,
    outcomes: readonly AppendOutcome[],
    place: Place,
  ): void {
    let { position } = place.body
    for (let i = 0; i * batchStride < batches.length; i++) {
      const [topic = 0, partition = 0, length = 0] = batches.slice(i * batchStride)
      const topicId = topics[topic] as TopicId
      const { errorCode, baseOffset } = outcomes[i] as AppendOutcome
      const at = position
      position += length
      if (errorCode !== ErrorCode.NONE || !isCompacted(state, topicId)) continue
      const object = this.#store.object(objectKey(this.#ledger, topicId, partition, place.body))
      if (object === undefined) continue
      const log = this.#log(topicId, partition)
      for (const [offset, record] of recordsAt(object.subarray(at, at + length), baseOffset)) {
        log.records.set(offset, record)
        this.#history.observe(topicId, partition, offset, record.text, 'the ledger')
        const ofKey = log.appended.get(record.key) ?? []
        log.appended.set(record.key, ofKey)
        ofKey.push({ offset, timestampMs: record.timestampMs })
      }
    }
  }

  /** DeleteRecords and retention take from the front; whether they may, others judge. */
  deleted(state: State, { topicId, partition }: CommandOf<'deleteRecords'>): void {
    const start = state.partitions.get(topicId, partition)?.logStartOffset ?? 0
    const log = this.#logs.get(`${topicId}-${partition}`)
    for (const offset of log?.records.keys() ?? []) if (offset < start) log?.records.delete(offset)
  }

  beforeCleaning(state: State, { topicId, partition }: CommandOf<'cleanRanges'>): void {
    this.#before = { ranges: rangesOf(state, topicId, partition), segmentsFrom: state.partitions.segmentsFrom }
  }

  cleaned(state: State, command: CommandOf<'cleanRanges'>, isReplaced: boolean, { writer, timeMs }: Place): void {
    const { topicId, partition, number, from, to } = command
    const { ranges = [], segmentsFrom } = this.#before
    const plain = ranges.map((each) => [
      each.baseOffset,
      each.endOffset,
      each.writer,
      each.number,
      each.position,
      each.length,
    ])
    const index = plain.findIndex(([baseOffset]) => baseOffset === from[0])
    const count = from.length / 6
    const isDue = number >= segmentsFrom && index >= 0 && `${plain.slice(index, index + count)}` === `${from}`
    const where = `${topicId}-${partition}, segment ${number} of ${writer}`
    if (isDue !== isReplaced) this.#violation('replacement', `${where}: ${isReplaced}, should be ${isDue}`)
    if (!isReplaced) return
    const old = this.#batchesOf(topicId, partition, ranges.slice(index, index + count))
    const after = rangesOf(state, topicId, partition) ?? []
    const kept = this.#batchesOf(topicId, partition, after.slice(index, index + to.length / 4))
    if (old === undefined || kept === undefined) {
      this.#violation('missing object', `${where} lacks bytes`)
      return
    }
    const log = this.#log(topicId, partition)
    const start = state.partitions.get(topicId, partition)?.logStartOffset ?? 0
    this.#compare(where, log, start, old, kept)
    const remaining = new Map(kept.flatMap(({ records }) => [...records]))
    const { deleteRetentionMs, lagMs } = limitsOf(state, topicId)
    for (const { records, horizonMs } of old)
      for (const [offset, record] of records) {
        if (remaining.has(offset)) continue
        this.removed++
        log.records.delete(offset)
        // Its place in the log is before its start: nobody can ask for it.
        if (offset < start) continue
        const later = log.appended.get(record.key)?.filter((each) => each.offset > offset) ?? []
        if (later.some(({ timestampMs }) => timestampMs <= timeMs - lagMs + cleaningMs / 5)) continue
        if (later.length > 0) this.#violation('compaction lag', `${where}: ${offset} made room for what is too young`)
        else if (!record.isTombstone)
          this.#violation('lost record', `${where}: ${offset} was the last of ${record.key}`)
        else this.#checkTombstone(where, log, offset, record, horizonMs, timeMs)
      }
    const horizons = new Set(old.map(({ horizonMs }) => horizonMs))
    for (const { horizonMs } of kept)
      if (horizonMs !== undefined && !horizons.has(horizonMs) && horizonMs < timeMs - cleaningMs + deleteRetentionMs)
        this.#violation('tombstone', `${where}: they may go ${horizonMs - timeMs} ms from now`)
  }

  /** What is left is what was there, in the same order. */
  #compare(where: string, log: KeyedLog, start: number, old: readonly FoundBatch[], kept: readonly FoundBatch[]): void {
    const before = new Map(old.flatMap(({ records }) => [...records]))
    let last = -1
    for (const { records } of kept)
      for (const [offset, { text, timestampMs }] of records) {
        const original = before.get(offset)
        const isSame = original?.text === text && original.timestampMs === timestampMs
        // The log's start may have moved past it meanwhile.
        const isThere = offset < start || log.records.get(offset)?.text === text
        if (!isSame || !isThere)
          this.#violation('segment', `${where} holds ${text} at ${offset}, not ${original?.text}`)
        if (offset <= last) this.#violation('segment', `${where} has ${offset} after ${last}`)
        last = offset
      }
  }

  /** It goes when its time has come, and all that it deletes has gone. */
  #checkTombstone(
    where: string,
    log: KeyedLog,
    offset: number,
    { key }: KeyedRecord,
    horizonMs: number | undefined,
    timeMs: number,
  ): void {
    if (horizonMs === undefined || horizonMs > timeMs)
      this.#violation('tombstone', `${where}: ${offset} of ${key} went at ${timeMs}, its time is ${horizonMs}`)
    for (const [earlier, record] of log.records)
      if (record.key === key && earlier < offset)
        this.#violation('tombstone', `${where}: ${offset} of ${key} went before ${earlier}`)
  }

  marked(state: State, { topicId, partition, from, to }: CommandOf<'markCleaned'>, isMarked: boolean): void {
    const log = this.#log(topicId, partition)
    const where = `${topicId}-${partition}`
    if (isMarked !== (from === log.firstDirtyOffset && state.partitions.get(topicId, partition) !== undefined))
      this.#violation('cleaned', `${where} from ${from}: ${isMarked}, was clean up to ${log.firstDirtyOffset}`)
    if (!isMarked) return
    log.firstDirtyOffset = to
    const seen = new Map<string, number>()
    const sorted = [...log.records].sort(([a], [b]) => a - b)
    for (const [offset, { key }] of sorted) {
      if (offset >= to) break
      const before = seen.get(key)
      if (before !== undefined)
        this.#violation('cleaned', `${where} is not clean up to ${to}: ${key} is at ${before} and at ${offset}`)
      seen.set(key, offset)
    }
  }

  deletedTopic(topicId: TopicId): void {
    for (const log of this.#logs.keys()) if (log.startsWith(topicId)) this.#logs.delete(log)
  }

  /** What is in a log now; undefined if it is not compacted. */
  recordsOf(topicId: TopicId, partition: number): ReadonlyMap<number, { text: string }> | undefined {
    return this.#logs.get(`${topicId}-${partition}`)?.records
  }

  #batchesOf(topicId: TopicId, partition: number, ranges: NonNullable<ReturnType<typeof rangesOf>>) {
    const found: FoundBatch[] = []
    for (const range of ranges) {
      const key = objectKey(this.#ledger, topicId, partition, range)
      const object = this.#store.object(key)
      const end = range.position + range.length
      if (object === undefined || this.#store.isDeleted(key) || object.length < end) return undefined
      let next = range.baseOffset
      for (let at = range.position; at < end; at += batchSizeOf(object, at)) {
        const bytes = object.subarray(at, at + batchSizeOf(object, at))
        const baseOffset = range.writer < 0 ? readInt64(bytes, 0) : next
        next = baseOffset + lastOffsetDeltaOf(bytes) + 1
        if (baseOffset < range.baseOffset || next > range.endOffset)
          this.#violation(
            'segment',
            `${key} holds ${baseOffset} to ${next} in ${range.baseOffset} to ${range.endOffset}`,
          )
        const hasHorizon = (attributesOf(bytes) & BatchAttribute.deleteHorizon) !== 0
        const horizonMs = hasHorizon ? readInt64(bytes, BatchPosition.baseTimestamp) : undefined
        found.push({ records: recordsAt(bytes, baseOffset), horizonMs })
      }
    }
    return found
  }

  #log(topicId: TopicId, partition: number): KeyedLog {
    const name = `${topicId}-${partition}`
    const known = this.#logs.get(name)
    if (known !== undefined) return known
    const log = { appended: new Map(), records: new Map(), firstDirtyOffset: 0 }
    this.#logs.set(name, log)
    return log
  }

  #violation(checker: string, text: string): void {
    this.#history.violation(checker, text)
  }
}

function limitsOf(state: State, topicId: TopicId) {
  const configs = state.topics.byId(topicId)?.configs
  return {
    deleteRetentionMs: Number(configs?.get('delete.retention.ms')),
    lagMs: Number(configs?.get('min.compaction.lag.ms') ?? 0),
  }
}

function recordsAt(batch: Buffer, baseOffset: number): Map<number, KeyedRecord> {
  const placed = Buffer.from(batch)
  writeInt64(placed, 0, baseOffset)
  return new Map(
    decodeRecords(placed).map(({ offset, key, value, timestampMs }) => [
      offset,
      { key: `${key}`, text: `${key}=${value}`, isTombstone: value === null, timestampMs },
    ]),
  )
}
