import { crc32 } from '../../../base/crc32.js'
import { CorruptObjectError } from '../../../base/errors.js'
import { Numbers } from './numbers.js'
import { markBytes, readNumber, writeNumber } from './record.js'

/**
 * How a journal's file begins:
 *
 *     magic 'HLJ1' | header's length u32 | mark 8 | bounds of the numbers taken before, u64 each | crc32 of all before u32
 */
const magic = Buffer.from('HLJ1')
const fixedBytes = 8 + markBytes
/** Numbers are taken nearly in their order: a header that is longer is none of ours. */
const lengthMax = 1024 * 1024

export interface FileHeader {
  /** How the file's records begin. */
  mark: Buffer
  /** The numbers that objects in files before it have. */
  taken: Numbers
  /** Bytes of the header. */
  length: number
}

/** The first bytes of a new file. */
export function encodeFileHeader(mark: Uint8Array, taken: Numbers): Buffer {
  const bounds = taken.bounds()
  const bytes = Buffer.allocUnsafe(fixedBytes + 8 * bounds.length + 4)
  magic.copy(bytes, 0)
  bytes.writeUInt32BE(bytes.length, 4)
  bytes.set(mark, 8)
  for (const [index, bound] of bounds.entries()) writeNumber(bytes, bound, fixedBytes + 8 * index)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

/**
 * @param read gives up to `length` bytes of the file's beginning.
 * @throws CorruptObjectError if it is none, or of a version that this one does not know.
 */
export function readFileHeader(path: string, read: (length: number) => Buffer): FileHeader {
  const unknown = () => new CorruptObjectError(`${path} is not a journal, or of a version that this one does not know`)
  const beginning = read(fixedBytes)
  if (beginning.length < fixedBytes || beginning.compare(magic, 0, 4, 0, 4) !== 0) throw unknown()
  const length = beginning.readUInt32BE(4)
  if (length < fixedBytes + 4 || length > lengthMax) throw unknown()
  const bytes = read(length)
  if (bytes.length < length || crc32(bytes.subarray(0, -4)) !== bytes.readUInt32BE(length - 4)) throw unknown()
  const bounds: number[] = []
  for (let at = fixedBytes; at + 8 <= length - 4; at += 8) bounds.push(readNumber(bytes, at))
  return { mark: Buffer.from(bytes.subarray(8, fixedBytes)), taken: new Numbers(bounds), length }
}
