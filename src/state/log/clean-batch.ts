import { crcMatches, isControlBatch, isTransactionalBatch } from '../../protocol/records/batch.js'
import { type RawBatch, type RawRecord, readRawBatch, withRecords } from '../../protocol/records/raw-record.js'
import { RecordError } from '../../protocol/records/record-error.js'
import type { OffsetMap } from './offset-map.js'
import type { PlacedBatch } from './placed-batches.js'

/** No delete horizon is later: timestamps can be computed with from there, milliseconds since the epoch. */
const deleteHorizonMaxMs = 2 ** 52

/** What one cleaning goes by. */
export interface CleaningRules {
  /** The last offsets of the keys in [`firstDirtyOffset`, `mapEnd`). */
  map: OffsetMap
  firstDirtyOffset: number
  mapEnd: number
  logStartOffset: number
  /** The last offset of the log. Its record stays: who has read up to it must find that there is no more. */
  lastOffset: number
  nowMs: number
  deleteRetentionMs: number
}

/** What is left of a batch. */
export interface CleanedBatch {
  /** Undefined if nothing is left; the batch itself if nothing changed. */
  bytes: Buffer | undefined
  /** When tombstones in it may go; -1 for never, or none. */
  deleteHorizonMs: number
  /** Records looked at, and those of them that are gone. */
  records: number
  removed: number
  /** Bytes that were looked through. */
  bytesRead: number
  /** Nobody knows whether its records count, so they stay, and no tombstone that may concern them goes. */
  isOpaque: boolean
}

/**
 * The records of a batch, if it can be cleaned. One whose records can't be read, which a client may well have written,
 * stays as it is; and so does one of a transaction: whether that was committed isn't known here, and a control record
 * is no record.
 */
export function readCleanable({ bytes }: PlacedBatch): RawBatch | undefined {
  if (isControlBatch(bytes) || isTransactionalBatch(bytes) || !crcMatches(bytes)) return undefined
  try {
    return readRawBatch(bytes)
  } catch (error) {
    if (error instanceof RecordError) return undefined
    throw error
  }
}

/**
 * Takes out of a batch what log compaction removes, as Kafka's cleaner does: records with a later one of the same key
 * before `mapEnd`, records without a key, and tombstones whose delete horizon has passed. A tombstone gets its horizon
 * (KIP-534) when it is first cleaned: all that it deletes is gone then, as the log is cleaned from its start on.
 * @param hasOpaqueBefore whether a batch before this one is opaque
 */
export function cleanBatch(placed: PlacedBatch, rules: CleaningRules, hasOpaqueBefore: boolean): CleanedBatch {
  const { bytes, baseOffset, lastOffset } = placed
  const opaque = { bytes, deleteHorizonMs: -1, records: 0, removed: 0, bytesRead: bytes.length, isOpaque: true }
  const raw = readCleanable(placed)
  if (raw === undefined) return opaque
  const { header, records } = raw
  // What a producer claims of a delete horizon counts for nothing.
  const horizonMs = header.hasDeleteHorizon && lastOffset < rules.firstDirtyOffset ? header.baseTimestamp : undefined
  const mayDelete = horizonMs !== undefined && horizonMs <= rules.nowMs && !hasOpaqueBefore
  const kept = records.filter((record) => isKept(record, baseOffset + record.offsetDelta, rules, mayDelete))
  const removed = records.length - kept.length
  const clean = { records: records.length, removed, bytesRead: raw.bytes, isOpaque: false }
  if (kept.length === 0) return { ...clean, bytes: undefined, deleteHorizonMs: -1 }
  const hasTombstone = kept.some((record) => !record.hasValue && baseOffset + record.offsetDelta !== rules.lastOffset)
  const isFirst = hasTombstone && horizonMs === undefined && lastOffset < rules.mapEnd && !hasOpaqueBefore
  const newHorizonMs = isFirst ? Math.min(rules.nowMs + rules.deleteRetentionMs, deleteHorizonMaxMs) : undefined
  // One that has passed, and yet is here, waits for the next cleaning.
  const isAhead = hasTombstone && horizonMs !== undefined && horizonMs > rules.nowMs
  const deleteHorizonMs = newHorizonMs ?? (isAhead ? horizonMs : -1)
  if (removed === 0 && newHorizonMs === undefined) return { ...clean, bytes, deleteHorizonMs }
  try {
    return { ...clean, bytes: withRecords(bytes, header, kept, newHorizonMs), deleteHorizonMs }
  } catch (error) {
    if (error instanceof RecordError) return opaque
    throw error
  }
}

function isKept(record: RawRecord, offset: number, rules: CleaningRules, mayDelete: boolean): boolean {
  if (offset >= rules.mapEnd || offset === rules.lastOffset) return true
  if (offset < rules.logStartOffset || record.key === null) return false
  if (rules.map.get(record.key) > offset) return false
  return record.hasValue || !mayDelete
}
