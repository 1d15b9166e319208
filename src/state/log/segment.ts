import { CorruptObjectError } from '../../base/errors.js'
import {
  BatchPosition,
  baseOffsetOf,
  batchHeaderBytes,
  batchSizeOf,
  crcMatches,
  lastOffsetDeltaOf,
  magicV2,
  maxTimestampOf,
  patchInPlace,
} from '../../protocol/records/batch.js'
import type { TopicId } from '../cluster.js'
import { checksum, pack, unpack } from '../ledger/entry.js'

/**
 * The bytes of a segment: a run of one partition's log, with an index.
 *
 *     magic 'HLG1' | record batches | index | length of the index u32 | crc32 of the index u32 | magic 'HLG1'
 *
 * The batches have their offsets in place, so that a segment is a piece of a Kafka log that needs nothing else to be
 * understood; each has its own CRC. The index is msgpack: [format, topic id, partition, base offset,
 * [end offset, position, length, largest timestamp, …]], four numbers for each *chunk* of whole batches. A chunk becomes
 * one range of the partition, so that a reader fetches chunks and not segments.
 *
 * In format 1 each batch begins where the one before ends. In format 2 there may be gaps, which log compaction left:
 * a chunk begins where the one before ends and goes on to its end offset, whatever batches there are.
 */
const magic = Buffer.from('HLG1')
const denseFormat = 1
export const segmentFormat = 2
/** A chunk ends with the first batch that makes it this long, bytes. */
export const chunkBytes = 1024 * 1024
/** Bytes after the index. */
const trailerBytes = 12

/** Batches up to this size that don't lie side by side are copied until they make a piece of that size, bytes. */
const copiedBytesMax = 16 * 1024
const pieceBytesMin = 64 * 1024
const copiesBytes = 256 * 1024

/** A run of whole batches in a segment. */
export interface Chunk {
  endOffset: number
  position: number
  length: number
  maxTimestampMs: number
}

export interface SegmentIndex {
  topicId: TopicId
  partition: number
  baseOffset: number
  /** Whether batches need not follow one another. */
  hasGaps: boolean
  chunks: Chunk[]
}

/** Puts a segment together, batch by batch. */
export class SegmentBuilder {
  readonly pieces: Buffer[] = [magic]
  readonly chunks: Chunk[] = []
  /** Bytes so far. */
  length = magic.length
  readonly #topicId: TopicId
  readonly #partition: number
  readonly #baseOffset: number
  /** One past the last offset so far. */
  endOffset: number
  #hasGaps = false
  /** Room for small batches. */
  #copies = Buffer.alloc(0)

  constructor(topicId: TopicId, partition: number, baseOffset: number) {
    this.#topicId = topicId
    this.#partition = partition
    this.#baseOffset = baseOffset
    this.endOffset = baseOffset
  }

  /**
   * Adds the next batch, and writes its offset into its bytes, which are the builder's from now on.
   * @throws CorruptObjectError if its checksum is wrong, or its offset does not follow.
   */
  add(batch: Buffer, baseOffset: number, lastOffset: number): void {
    if (baseOffset !== this.endOffset || lastOffset < baseOffset)
      throw new CorruptObjectError(`a record batch at offset ${baseOffset} follows offset ${this.endOffset - 1}`)
    if (!crcMatches(batch))
      throw new CorruptObjectError(`the checksum of a stored record batch at offset ${baseOffset} is wrong`)
    patchInPlace(batch, 0, baseOffset, 0)
    const endOffset = lastOffset + 1
    const maxTimestampMs = maxTimestampOf(batch)
    const chunk = this.chunks.at(-1)
    if (chunk === undefined || chunk.length >= chunkBytes)
      this.chunks.push({ endOffset, position: this.length, length: batch.length, maxTimestampMs })
    else {
      chunk.endOffset = endOffset
      chunk.length += batch.length
      chunk.maxTimestampMs = Math.max(chunk.maxTimestampMs, maxTimestampMs)
    }
    this.#append(batch)
    this.endOffset = endOffset
  }

  /** Leaves a gap: there are no records up to `offset`. */
  skipTo(offset: number): void {
    if (offset <= this.endOffset) return
    this.#hasGaps = true
    this.endOffset = offset
    const chunk = this.chunks.at(-1)
    if (chunk !== undefined) chunk.endOffset = offset
  }

  /** The whole object, in pieces. Nothing can be added after. */
  finish(): readonly Buffer[] {
    const numbers = this.chunks.flatMap(({ endOffset, position, length, maxTimestampMs }) => [
      endOffset,
      position,
      length,
      maxTimestampMs,
    ])
    const index = pack([
      this.#hasGaps ? segmentFormat : denseFormat,
      this.#topicId,
      this.#partition,
      this.#baseOffset,
      numbers,
    ])
    const trailer = Buffer.alloc(trailerBytes)
    trailer.writeUInt32BE(index.length, 0)
    trailer.writeUInt32BE(checksum(index), 4)
    magic.copy(trailer, 8)
    this.#append(index)
    this.#append(trailer)
    return this.pieces
  }

  /** Pieces that lie side by side in one buffer stay one piece; small ones that don't are copied, so that they do. */
  #append(bytes: Buffer): void {
    const last = this.pieces.at(-1)
    if (last !== undefined && isFollowedBy(last, bytes))
      this.pieces[this.pieces.length - 1] = Buffer.from(bytes.buffer, last.byteOffset, last.length + bytes.length)
    else if (bytes.length > copiedBytesMax || (last?.length ?? 0) >= pieceBytesMin) this.pieces.push(bytes)
    else {
      if (this.#copies.length < bytes.length) this.#copies = Buffer.allocUnsafeSlow(copiesBytes)
      const copy = this.#copies.subarray(0, bytes.length)
      this.#copies = this.#copies.subarray(bytes.length)
      bytes.copy(copy)
      if (last !== undefined && isFollowedBy(last, copy))
        this.pieces[this.pieces.length - 1] = Buffer.from(copy.buffer, last.byteOffset, last.length + copy.length)
      else this.pieces.push(copy)
    }
    this.length += bytes.length
  }
}

/** Bytes before the first batch. */
export const segmentHeadBytes = magic.length

/**
 * How many bytes at a segment's end are its index and what follows that, from its last bytes, at least 12.
 * @throws CorruptObjectError if this is no segment's end.
 */
export function segmentFooterLength(end: Buffer, size: number, key: string): number {
  const at = end.length - trailerBytes
  const isSegment = at >= 0 && size >= trailerBytes + magic.length && end.subarray(-magic.length).equals(magic)
  const length = isSegment ? end.readUInt32BE(at) + trailerBytes : 0
  if (!isSegment || length > size - magic.length) throw new CorruptObjectError(`${key} is not a segment`)
  return length
}

/**
 * Reads a segment's index.
 * @param footer the bytes from the index to the end
 * @param size of the whole object
 * @throws CorruptObjectError if it is not as it was written.
 */
export function decodeSegmentIndex(footer: Buffer, size: number, key: string): SegmentIndex {
  const end = footer.length - trailerBytes
  const packed = footer.subarray(0, end)
  if (checksum(packed) !== footer.readUInt32BE(end + 4))
    throw new CorruptObjectError(`${key}: the checksum of its index is wrong`)
  const index = toIndex(unpack(packed), key)
  let position: number = magic.length
  for (const chunk of index.chunks) {
    if (chunk.position !== position) throw new CorruptObjectError(`${key}: a chunk is not where the one before ends`)
    position += chunk.length
  }
  if (position !== size - footer.length) throw new CorruptObjectError(`${key} holds bytes that its index does not name`)
  return index
}

const isFollowedBy = (piece: Buffer, next: Buffer) =>
  piece.buffer === next.buffer && piece.byteOffset + piece.length === next.byteOffset

/**
 * Reads a whole segment's index and checks its batches against it.
 * @throws CorruptObjectError if anything in it is not as it was written.
 */
export function decodeSegment(bytes: Buffer, key: string): SegmentIndex {
  const footerLength = segmentFooterLength(bytes, bytes.length, key)
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new CorruptObjectError(`${key} is not a segment`)
  const index = decodeSegmentIndex(bytes.subarray(bytes.length - footerLength), bytes.length, key)
  let offset = index.baseOffset
  for (const chunk of index.chunks) {
    let { position } = chunk
    for (const chunkEnd = position + chunk.length; position < chunkEnd; ) {
      const size = chunkEnd - position < batchHeaderBytes ? 0 : batchSizeOf(bytes, position)
      const batch = bytes.subarray(position, position + size)
      const isWhole = size >= batchHeaderBytes && position + size <= chunkEnd
      if (!isWhole || batch[BatchPosition.magic] !== magicV2 || !crcMatches(batch))
        throw new CorruptObjectError(`${key}: the record batch at byte ${position} is damaged`)
      const baseOffset = baseOffsetOf(batch)
      const isPlaced = index.hasGaps ? baseOffset >= offset && baseOffset < chunk.endOffset : baseOffset === offset
      if (!isPlaced)
        throw new CorruptObjectError(`${key}: the record batch at byte ${position} should have offset ${offset}`)
      offset = baseOffset + lastOffsetDeltaOf(batch) + 1
      position += size
    }
    if (index.hasGaps) offset = Math.max(offset, chunk.endOffset)
    if (offset !== chunk.endOffset) throw new CorruptObjectError(`${key}: a chunk ends at another offset than it says`)
  }
  return index
}

function toIndex(unpacked: unknown, key: string): SegmentIndex {
  const [format, topicId, partition, baseOffset, numbers] = unpacked as [number, TopicId, number, number, number[]]
  if (format !== denseFormat && format !== segmentFormat)
    throw new CorruptObjectError(`${key} has format ${format}, this version reads up to ${segmentFormat}`)
  const chunks: Chunk[] = []
  for (let at = 0; at < numbers.length; at += 4) {
    const [endOffset, position, length, maxTimestampMs] = numbers.slice(at, at + 4) as [number, number, number, number]
    chunks.push({ endOffset, position, length, maxTimestampMs })
  }
  return { topicId, partition, baseOffset, hasGaps: format !== denseFormat, chunks }
}
