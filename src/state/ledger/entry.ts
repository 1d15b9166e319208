import { Packr } from 'msgpackr'
import { crc32 } from '../../base/crc32.js'
import { CorruptObjectError, UnavailableError } from '../../base/errors.js'
import { Packing } from './packing.js'

/**
 * The bytes of an entry, and of a lane object, which is an entry of one part:
 *
 *     magic 'HLE1' | header length u32 | header | crc32 of the header u32 | body
 *
 * The header is msgpack: [format, writer of the entry, [part, …]], a part being
 * [writer, index, timeMs, commands, body length, body position]. `commands` is itself packed, so that a part found in a
 * lane is carried on byte for byte. The body is the record batches of the inline parts, one part after the other.
 * A part whose bytes stay in its lane says where in the lane's object they begin (body position > 0).
 */

/** What one writer flushed at once. */
export interface Part {
  writer: number
  /** 1, 2, 3… for each writer: the writer-index rule decides by it whether the part takes effect. */
  index: number
  /** The writer's wall clock, milliseconds since the epoch. */
  timeMs: number
  /** Packed `[kind, command, kind, command, …]`. */
  commands: Buffer
  /** Bytes of the record batches that the commands append. */
  bodyLength: number
  /** 0: the body is inline in this entry. Otherwise where it begins in the lane object of this writer and index. */
  lanePosition: number
  /** What unpacking the commands gives, where this process packed them a moment ago. Nobody changes it. */
  plain?: readonly unknown[] | undefined
}

export interface DecodedEntry {
  /** Who put the entry together: of an entry in the ledger its sequencer, of one in a lane the lane's owner. */
  writer: number
  parts: Part[]
  /** Where the body begins in the object. */
  bodyPosition: number
}

/** The newest format of entries that this code reads and writes. */
export const entryFormat = 1

const magic = Buffer.from('HLE1')
/** Bytes around the header: magic, its length, its checksum. */
const frameBytes = 12

const packr = new Packr({ useRecords: false, copyBuffers: true })

/** Packs plain data. */
export const pack = (value: unknown): Buffer => packr.pack(value)
/** Unpacks what `pack` packed; buffers in it are copies. */
export const unpack = (bytes: Uint8Array): unknown => packr.unpack(bytes)

/** CRC-32 (IEEE) as an unsigned number. */
export const checksum = crc32

const packing = new Packing()

/** The head of an entry: everything before its body. */
export function encodeHead(writer: number, parts: readonly Part[]): Buffer {
  packing.begin(8)
  packing.array(3)
  packing.integer(entryFormat)
  packing.integer(writer)
  packing.array(parts.length)
  for (const part of parts) {
    packing.array(6)
    packing.integer(part.writer)
    packing.integer(part.index)
    packing.integer(part.timeMs)
    packing.binary(part.commands)
    packing.integer(part.bodyLength)
    packing.integer(part.lanePosition)
  }
  packing.uint32(checksum(packing.written().subarray(8)))
  const head = packing.finish()
  head.set(magic)
  head.writeUInt32BE(head.length - frameBytes, 4)
  return head
}

/**
 * How many bytes the head has, from the object's first eight bytes or more.
 * @throws CorruptObjectError if this is no entry.
 */
export function headLength(bytes: Buffer, key: string): number {
  if (bytes.length < frameBytes || bytes.compare(magic, 0, 4, 0, 4) !== 0)
    throw new CorruptObjectError(`${key} is not a ledger entry: its first bytes are ${bytes.toString('hex', 0, 8)}`)
  return bytes.readUInt32BE(4) + frameBytes
}

/**
 * Reads the head of an entry.
 * @throws CorruptObjectError if length, checksum or shape are wrong.
 * @throws UnavailableError if it is of a later format than this code knows.
 */
export function decodeEntry(bytes: Buffer, key: string): DecodedEntry {
  const bodyPosition = headLength(bytes, key)
  if (bytes.length < bodyPosition)
    throw new CorruptObjectError(`${key} ends inside its header: ${bytes.length} of ${bodyPosition} bytes`)
  const header = bytes.subarray(8, bodyPosition - 4)
  const expected = bytes.readUInt32BE(bodyPosition - 4)
  if (checksum(header) !== expected) throw new CorruptObjectError(`${key}: the checksum of its header is wrong`)
  const decoded = unpack(header)
  if (!Array.isArray(decoded)) throw new CorruptObjectError(`${key}: its header is not a list`)
  const [format, writer, parts] = decoded as [number, number, unknown]
  if (format !== entryFormat)
    throw new UnavailableError(
      `${key} has format ${format}, this version reads up to ${entryFormat}: replace this instance by a newer one`,
    )
  if (!Array.isArray(parts)) throw new CorruptObjectError(`${key}: its parts are not a list`)
  return { writer, bodyPosition, parts: (parts as unknown[][]).map((part) => toPart(part, key)) }
}

function toPart(fields: unknown[], key: string): Part {
  const [writer, index, timeMs, commands, bodyLength, lanePosition] = fields
  if (
    typeof writer !== 'number' ||
    typeof index !== 'number' ||
    typeof timeMs !== 'number' ||
    !Buffer.isBuffer(commands) ||
    typeof bodyLength !== 'number' ||
    typeof lanePosition !== 'number'
  )
    throw new CorruptObjectError(`${key}: a part has fields of the wrong kind`)
  return { writer, index, timeMs, commands, bodyLength, lanePosition }
}
