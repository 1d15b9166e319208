import { type CleaningRules, cleanBatch, readCleanable } from './clean-batch.js'
import { OffsetMap } from './offset-map.js'
import { placedBatches } from './placed-batches.js'
import { eachRange, type StoredRanges } from './range-bytes.js'

/** What a record costs, as if it were so many bytes more. */
const workOfRecord = 100

/** Which keys a cleaning is to note. */
export interface KeysToNote {
  /** Memory for them, bytes. */
  bytesMax: number
  /** There are no more than this. */
  keysMax: number
  /** The first offset that counts. */
  from: number
}

/** What one cleaning goes by, but for the keys, which are noted before. */
export type OffsetRules = Omit<CleaningRules, 'map'>

/** What is left of some ranges. */
export interface CleanedRanges {
  /** Whole batches, one after the other; what was given, if nothing changed. */
  bytes: Buffer
  /** Of each batch three numbers: its length, its first offset, its last offset. */
  places: Float64Array
  isChanged: boolean
  /** The latest time from which tombstones among them may go, -1 for none. */
  deleteHorizonMs: number
  /** Records looked at, and those of them that are gone. */
  records: number
  removed: number
  /** Batches that stay as they are, since their records can't be read, or are a transaction's. */
  opaqueBatches: number
}

/**
 * What of a cleaning takes time: unpacking batches, noting the last offsets of their keys, taking out what has a later
 * record of its key, and packing them again. Nothing here waits for anything, nor asks for the time: the same bytes come
 * of it wherever it is done. After each batch it says what that has cost, in bytes looked at or the like, and may be left
 * to rest there.
 */
export class CleaningSteps {
  readonly #map: OffsetMap
  readonly #from: number
  /** Whether a batch so far is opaque: nobody knows whether its records count. */
  #hasOpaque = false

  constructor({ bytesMax, keysMax, from }: KeysToNote) {
    this.#map = new OffsetMap(bytesMax, keysMax)
    this.#from = from
  }

  /**
   * Notes the last offsets of keys. Gives the offset of the first record whose key had no room any more, if there is one.
   * @throws CorruptObjectError if the bytes are no batches, or not those of the ranges.
   */
  *note(stored: StoredRanges): Generator<number, number | undefined, undefined> {
    const from = this.#from
    const map = this.#map
    for (const { range, bytes } of eachRange(stored))
      for (const placed of placedBatches(range, [bytes])) {
        if (placed.lastOffset < from) continue
        const batch = readCleanable(placed)
        for (const { key, offsetDelta } of batch?.records ?? []) {
          const offset = placed.baseOffset + offsetDelta
          if (key === null || offset < from) continue
          if (!map.put(key, offset)) return offset
        }
        yield workOf(batch?.bytes ?? placed.bytes.length, batch?.records.length ?? 0)
      }
    return undefined
  }

  /**
   * Takes out of the batches what is to go. The log is to be given from its start on.
   * @throws CorruptObjectError if the bytes are no batches, or not those of the ranges.
   */
  *clean(stored: StoredRanges, offsets: OffsetRules): Generator<number, CleanedRanges, undefined> {
    const rules: CleaningRules = { ...offsets, map: this.#map }
    const found = { isChanged: false, deleteHorizonMs: -1, records: 0, removed: 0, opaqueBatches: 0 }
    const left: Buffer[] = []
    const places: number[] = []
    for (const { range, bytes } of eachRange(stored))
      for (const placed of placedBatches(range, [bytes])) {
        const cleaned = cleanBatch(placed, rules, this.#hasOpaque)
        this.#hasOpaque ||= cleaned.isOpaque
        if (cleaned.isOpaque) found.opaqueBatches++
        found.deleteHorizonMs = Math.max(found.deleteHorizonMs, cleaned.deleteHorizonMs)
        found.records += cleaned.records
        found.removed += cleaned.removed
        found.isChanged ||= cleaned.bytes !== placed.bytes
        if (cleaned.bytes !== undefined) {
          left.push(cleaned.bytes)
          places.push(cleaned.bytes.length, placed.baseOffset, placed.lastOffset)
        }
        yield workOf(cleaned.bytesRead, cleaned.records)
      }
    return { ...found, bytes: found.isChanged ? joined(left) : stored.bytes, places: Float64Array.from(places) }
  }
}

const workOf = (bytes: number, records: number) => bytes + records * workOfRecord

/** The pieces in memory of their own, so that it can be handed on; those that they were part of can go. */
function joined(pieces: readonly Buffer[]): Buffer {
  const bytes = Buffer.allocUnsafeSlow(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) at += piece.copy(bytes, at)
  return bytes
}

/** The batches that are left, each with its place in the log. */
export function* batchesLeft({ bytes, places }: CleanedRanges) {
  let start = 0
  for (let at = 0; at < places.length; at += 3) {
    const [length, baseOffset, lastOffset] = places.subarray(at, at + 3) as unknown as [number, number, number]
    yield { bytes: bytes.subarray(start, start + length), baseOffset, lastOffset }
    start += length
  }
}
