import { CorruptObjectError } from '../../base/errors.js'
import { objectKey } from '../ledger/keys.js'
import type { ObjectStore } from '../store/object-store.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'

/** Reads of the store under way at once, and the most bytes of one. */
const readsAtOnce = 8
const readBytesMax = 4 * 1024 * 1024

/** A range, and its bytes, which are the reader's to change. */
export interface RangeBytes {
  range: Range
  bytes: Buffer
}

/** Ranges that lie side by side in one object, at least one, and the bytes of all of them. */
export interface StoredRanges {
  ranges: readonly Range[]
  /** In memory of their own, which is the reader's. */
  bytes: Buffer
}

/** Of some ranges each with its bytes. */
export function* eachRange({ ranges, bytes }: StoredRanges): Generator<RangeBytes> {
  let start = 0
  for (const range of ranges) {
    yield { range, bytes: bytes.subarray(start, start + range.length) }
    start += range.length
  }
}

/**
 * Reads ranges in their order past all caches, several at once: what upkeep reads, nobody else is about to want. Up to
 * 4 MiB together, or one range that is longer.
 * @throws CorruptObjectError if an object is missing, or shorter than it should be.
 */
export async function* readRanges(
  { store, ledger }: { store: ObjectStore; ledger: number },
  log: PartitionLog,
  ranges: readonly Range[],
): AsyncGenerator<StoredRanges> {
  const read = async (together: readonly Range[]): Promise<StoredRanges> => {
    const [first] = together as [Range]
    const key = objectKey(ledger, log.topicId, log.partition, first)
    const length = together.reduce((sum, range) => sum + range.length, 0)
    const object = await store.get(key, { position: first.position, length }, Buffer.allocUnsafeSlow)
    if (object === undefined) throw new CorruptObjectError(`${key} is missing`, { isMissing: true })
    if (object.bytes.length < length) throw new CorruptObjectError(`${key} ends before its records do`)
    return { ranges: together, bytes: object.bytes }
  }
  const reads: Promise<StoredRanges>[] = []
  const waiting = together(ranges)
  let next = 0
  for (;;) {
    while (reads.length < readsAtOnce && next < waiting.length) {
      const underWay = read(waiting[next++] as Range[])
      // It is awaited in its turn, or not at all if one before it fails.
      underWay.catch(() => undefined)
      reads.push(underWay)
    }
    const first = reads.shift()
    if (first === undefined) return
    yield await first
  }
}

/** Groups ranges that one read can fetch: side by side in one object. */
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
