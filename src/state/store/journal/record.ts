import { crc32, crc32Of } from '../../../base/crc32.js'
import type { Random } from '../../../base/random.js'

/**
 * A journal's record, all numbers big-endian:
 *
 *     mark 8 | kind u8 | flags u8 | 0 u16 | payload length u32 | number u64 | writer 8 | attempt u32 |
 *     flushed to u32 | crc32 of the payload u32 | crc32 of all before u32 | payload | 0 u8
 *
 * The mark is the file's, drawn at random when it was made, so that a record's beginning is recognised among bytes of
 * others' making. No byte of it is 0: so the last byte tells that of the record nothing is missing for which the beginning of
 * the next could be taken.
 */

/** What a record says. */
export const RecordKind = {
  /** An object whose bytes are the payload. */
  object: 1,
  /** An object whose bytes are in a file of their own: the payload is its length u32, its position there u64, that file's name. */
  reference: 2,
  /** Objects are deleted: the payload is their numbers, u64 each. */
  deletion: 3,
  /** The file ends here; what stands behind does not count. */
  end: 4,
  /** Records before this one that are damaged never counted: nobody was told that they had been stored. */
  repair: 5,
} as const
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind]

export const markBytes = 8
export const recordHeaderBytes = 48
/** What stands behind a record's payload. */
export const recordEnd = Buffer.from([0])

/** Flag: whoever wrote it tells nobody before it has been flushed, with all that stands before it. */
const flushesFlag = 1

export interface RecordHeader {
  kind: RecordKind
  payloadLength: number
  /** Of the object; 0 where it is about none. */
  number: number
  /** Who wrote it, and the how-manieth record of his it is: unique together. 8 bytes as two numbers. */
  writerHigh: number
  writerLow: number
  attempt: number
  flushes: boolean
  /** Everything in the file before this position had been flushed when the record was written. */
  flushedTo: number
  payloadChecksum: number
}

/** The bytes of a record's header. */
export function encodeRecordHeader(mark: Uint8Array, header: RecordHeader): Buffer {
  const bytes = Buffer.allocUnsafe(recordHeaderBytes)
  bytes.set(mark, 0)
  bytes.writeUInt32BE((header.kind << 24) | ((header.flushes ? flushesFlag : 0) << 16), 8)
  bytes.writeUInt32BE(header.payloadLength, 12)
  writeNumber(bytes, header.number, 16)
  bytes.writeUInt32BE(header.writerHigh, 24)
  bytes.writeUInt32BE(header.writerLow, 28)
  bytes.writeUInt32BE(header.attempt, 32)
  bytes.writeUInt32BE(header.flushedTo, 36)
  bytes.writeUInt32BE(header.payloadChecksum, 40)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, recordHeaderBytes - 4)), recordHeaderBytes - 4)
  return bytes
}

/** Reads the header at `at`; undefined if what stands there is none, or not all of it is there. */
export function decodeRecordHeader(mark: Uint8Array, bytes: Buffer, at: number): RecordHeader | undefined {
  if (at + recordHeaderBytes > bytes.length) return undefined
  if (bytes.compare(mark, 0, markBytes, at, at + markBytes) !== 0) return undefined
  const checksum = bytes.readUInt32BE(at + recordHeaderBytes - 4)
  if (crc32(bytes.subarray(at, at + recordHeaderBytes - 4)) !== checksum) return undefined
  return {
    kind: bytes[at + 8] as RecordKind,
    payloadLength: bytes.readUInt32BE(at + 12),
    number: readNumber(bytes, at + 16),
    writerHigh: bytes.readUInt32BE(at + 24),
    writerLow: bytes.readUInt32BE(at + 28),
    attempt: bytes.readUInt32BE(at + 32),
    flushes: ((bytes[at + 9] as number) & flushesFlag) !== 0,
    flushedTo: bytes.readUInt32BE(at + 36),
    payloadChecksum: bytes.readUInt32BE(at + 40),
  }
}

/** A mark for a new file. */
export function newMark(random: Random): Buffer {
  const mark = Buffer.from(random.hex(markBytes), 'hex')
  for (let i = 0; i < markBytes; i++) mark[i] = (mark[i] as number) | 0x80
  return mark
}

export const payloadChecksum = (pieces: readonly Uint8Array[]): number => crc32Of(pieces)

/** What a reference says: where the bytes are, and how many. */
export interface Reference {
  length: number
  name: string
  position: number
}

/** The payload of a reference. */
export function encodeReference({ length, name, position }: Reference): Buffer {
  const bytes = Buffer.allocUnsafe(12 + name.length)
  bytes.writeUInt32BE(length, 0)
  writeNumber(bytes, position, 4)
  bytes.write(name, 12, 'latin1')
  return bytes
}

export function decodeReference(payload: Buffer): Reference {
  return { length: payload.readUInt32BE(0), position: readNumber(payload, 4), name: payload.toString('latin1', 12) }
}

/** The payload of a deletion. */
export function encodeDeletion(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * numbers.length)
  for (const [index, number] of numbers.entries()) writeNumber(bytes, number, 8 * index)
  return bytes
}

export function* decodeDeletion(payload: Buffer): Generator<number> {
  for (let at = 0; at + 8 <= payload.length; at += 8) yield readNumber(payload, at)
}

const twoTo32 = 2 ** 32

/** A whole number up to 2^53 in 8 bytes. */
export function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / twoTo32), at)
  bytes.writeUInt32BE(value >>> 0, at + 4)
}

export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * twoTo32 + bytes.readUInt32BE(at + 4)
}
