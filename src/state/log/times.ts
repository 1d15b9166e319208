import { baseOffsetOf, maxTimestampOf } from '../../protocol/records/batch.js'
import { decodeRecords } from '../../protocol/records/record.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import type { LogBytes } from './log-bytes.js'
import { type PlacedBatch, placedBatches } from './placed-batches.js'

export interface TimedOffset {
  offset: number
  timestampMs: number
}

/** The first record at or after the log start with a timestamp ≥ `timestampMs`. Decodes one batch, rarely more. */
export async function offsetForTime(
  bytes: LogBytes,
  log: PartitionLog,
  timestampMs: number,
): Promise<TimedOffset | undefined> {
  const { ranges } = log
  for (let index = 0; index < ranges.length; ) {
    if (ranges.maxTimestampAt(index) < timestampMs) {
      index++
      continue
    }
    const range = ranges.at(index)
    const found = await firstAtOrAfter(bytes, log, range, timestampMs)
    if (found !== undefined) return found
    // Not the next index: ranges may have been replaced by fewer, or dropped, meanwhile.
    index = ranges.find(range.endOffset)
  }
  return undefined
}

/** The first record with the largest timestamp in the log (KIP-734). */
export async function offsetOfMaxTimestamp(bytes: LogBytes, log: PartitionLog): Promise<TimedOffset | undefined> {
  const { ranges } = log
  let latest = -1
  for (let index = 0; index < ranges.length; index++)
    if (latest < 0 || ranges.maxTimestampAt(index) > ranges.maxTimestampAt(latest)) latest = index
  return latest < 0 ? undefined : firstAtOrAfter(bytes, log, ranges.at(latest), ranges.maxTimestampAt(latest))
}

async function firstAtOrAfter(
  bytes: LogBytes,
  log: PartitionLog,
  range: Range,
  timestampMs: number,
): Promise<TimedOffset | undefined> {
  // What is kept for others is used up before they can use its memory again.
  const pieces = bytes.find(range) ?? [await bytes.read(log, range)]
  for (const batch of placedBatches(range, pieces)) {
    if (maxTimestampOf(batch.bytes) < timestampMs) continue
    const found = recordAtOrAfter(batch, timestampMs, log.logStartOffset)
    if (found !== undefined) return found
  }
  return undefined
}

function recordAtOrAfter(batch: PlacedBatch, timestampMs: number, from: number): TimedOffset | undefined {
  // The stored batch does not know its place: it has the base offset that the producer gave it.
  const moved = batch.baseOffset - baseOffsetOf(batch.bytes)
  for (const { offset, timestampMs: recordMs } of decodeRecords(batch.bytes))
    if (offset + moved >= from && recordMs >= timestampMs) return { offset: offset + moved, timestampMs: recordMs }
  return undefined
}
