import { CorruptObjectError, messageOf } from '../../base/errors.js'
import { BatchPosition, baseOffsetOf, crcMatches, magicV2, maxTimestampOf } from '../../protocol/records/batch.js'
import { decodeEntry, headLength } from '../ledger/entry.js'
import type { ObjectKind } from '../ledger/keys.js'
import { placedBatches } from '../log/placed-batches.js'
import type { OwnedRange } from '../log/ranges-by-object.js'
import { decodeSegmentIndex, segmentFooterLength, segmentHeadBytes } from '../log/segment.js'
import type { ByteRange } from '../store/object-store.js'

/** A piece of an object that is read first; of most it is all that one wants to know, or all there is. */
const firstReadBytes = 64 * 1024
/** Ranges that lie side by side, or nearly, are read together up to so many bytes. */
const readBytesMax = 4 * 1024 * 1024
const gapBytesMax = 64 * 1024

/** How one gets at an object's bytes. */
export interface ObjectBytes {
  size: number
  /** @throws CorruptObjectError, `isMissing`, if it is not there (any more) */
  read(range: ByteRange): Promise<Buffer>
}

/** A range whose records can't be read as they were written. */
export interface DamagedRange {
  owned: OwnedRange
  message: string
}

/** The bytes of an object that is in memory. */
export function inMemory(bytes: Buffer): ObjectBytes {
  return {
    size: bytes.length,
    read: async ({ position, length }) => bytes.subarray(position, position + length),
  }
}

/**
 * Checks what an entry, a lane's object or a segment says of itself: magic, length, checksum, shape; whether it is
 * the one that its key says; and that the ranges are what a segment's index says.
 * @throws CorruptObjectError that says what is wrong
 */
export async function checkFrame(
  key: string,
  kind: ObjectKind,
  bytes: ObjectBytes,
  ranges: readonly OwnedRange[],
): Promise<void> {
  if (kind.kind === 'segment') await checkSegment(key, kind, bytes, ranges)
  else if (kind.kind === 'entry' || kind.kind === 'lane') await checkHead(key, kind, bytes)
}

async function checkHead(key: string, kind: ObjectKind & { kind: 'entry' | 'lane' }, bytes: ObjectBytes) {
  let head = await bytes.read({ position: 0, length: Math.min(firstReadBytes, bytes.size) })
  const length = headLength(head, key)
  if (length > head.length && length <= bytes.size) head = await bytes.read({ position: 0, length })
  const entry = decodeEntry(head, key)
  let size = entry.bodyPosition
  for (const part of entry.parts) if (part.lanePosition === 0) size += part.bodyLength
  if (size !== bytes.size) throw new CorruptObjectError(`it has ${bytes.size} bytes, and by its header ${size}`)
  if (kind.kind !== 'lane') return
  const [part] = entry.parts
  if (entry.parts.length !== 1 || part?.writer !== kind.writer || part.index !== kind.number)
    throw new CorruptObjectError('it holds another part than its name says')
}

async function checkSegment(
  key: string,
  kind: ObjectKind & { kind: 'segment' },
  bytes: ObjectBytes,
  ranges: readonly OwnedRange[],
): Promise<void> {
  const { size } = bytes
  const endLength = Math.min(firstReadBytes, size)
  let end = await bytes.read({ position: size - endLength, length: endLength })
  const length = segmentFooterLength(end, size, key)
  if (length > end.length) end = await bytes.read({ position: size - length, length })
  const index = decodeSegmentIndex(end.subarray(end.length - length), size, key)
  if (index.topicId !== kind.topicId || index.partition !== kind.partition)
    throw new CorruptObjectError(`by its index it is one of topic ${index.topicId}, partition ${index.partition}`)
  const chunks = new Map(index.chunks.map((chunk) => [chunk.position, chunk]))
  for (const { range } of ranges) {
    const chunk = chunks.get(range.position)
    if (range.position < segmentHeadBytes || chunk?.length !== range.length || chunk.endOffset !== range.endOffset)
      throw new CorruptObjectError(
        `its index has no chunk at byte ${range.position} that ends at offset ${range.endOffset}`,
      )
  }
}

/** The ranges, in the order of their position, that do not fit into an object of that size. */
export function* cutOff(ranges: readonly OwnedRange[], size: number): Generator<DamagedRange> {
  for (const owned of ranges) {
    const end = owned.range.position + owned.range.length
    if (end > size) yield { owned, message: `it ends at byte ${size}, and these records at ${end}` }
  }
}

/** Reads the records of the ranges, which are in the order of their position, and checks each batch. */
export async function* checkRecords(ranges: readonly OwnedRange[], bytes: ObjectBytes): AsyncGenerator<DamagedRange> {
  yield* cutOff(ranges, bytes.size)
  const whole = ranges.filter(({ range }) => range.position + range.length <= bytes.size)
  for (const group of together(whole)) {
    const [first] = group as [OwnedRange]
    const position = first.range.position
    const end = group.reduce((max, { range }) => Math.max(max, range.position + range.length), 0)
    const read = await bytes.read({ position, length: end - position })
    for (const owned of group) {
      const start = owned.range.position - position
      const message = problemIn(owned, read.subarray(start, start + owned.range.length))
      if (message !== undefined) yield { owned, message }
    }
  }
}

/** What is wrong with the record batches of a range. */
function problemIn({ range }: OwnedRange, bytes: Buffer): string | undefined {
  const at = (offset: number) => `the record batch at offset ${offset}`
  let next = range.baseOffset
  let maxTimestampMs = Number.NEGATIVE_INFINITY
  try {
    for (const batch of placedBatches(range, [bytes])) {
      const { baseOffset, lastOffset } = batch
      if (batch.bytes[BatchPosition.magic] !== magicV2) return `${at(baseOffset)} has another magic than 2`
      if (!crcMatches(batch.bytes)) return `the checksum of ${at(baseOffset)} is wrong`
      // In a segment batches have their offset in place; elsewhere it is filled in when they are read.
      if (range.writer < 0 && baseOffsetOf(batch.bytes) !== baseOffset)
        return `${at(baseOffset)} says that it is at offset ${baseOffsetOf(batch.bytes)}`
      if (lastOffset < baseOffset) return `${at(baseOffset)} has no records`
      next = lastOffset + 1
      maxTimestampMs = Math.max(maxTimestampMs, maxTimestampOf(batch.bytes))
    }
  } catch (error) {
    if (!(error instanceof CorruptObjectError)) throw error
    return messageOf(error)
  }
  // Of a segment the index says where a chunk ends; elsewhere the last batch does.
  if (range.writer < 0 ? next > range.endOffset : next !== range.endOffset)
    return `its batches end at offset ${next}, and should at ${range.endOffset}`
  if (maxTimestampMs !== range.maxTimestampMs)
    return `its latest record is of ${maxTimestampMs}, and should be of ${range.maxTimestampMs}`
  return undefined
}

function together(ranges: readonly OwnedRange[]): OwnedRange[][] {
  const groups: OwnedRange[][] = []
  let start = 0
  let end = Number.NEGATIVE_INFINITY
  for (const owned of ranges) {
    const { position, length } = owned.range
    if (position - end <= gapBytesMax && position + length - start <= readBytesMax) groups.at(-1)?.push(owned)
    else {
      groups.push([owned])
      start = position
    }
    end = position + length
  }
  return groups
}
