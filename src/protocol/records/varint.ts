import { RecordError } from './record-error.js'

/** A place in some bytes, which reading moves on. Nothing is read at or after `end`. */
export interface Cursor {
  readonly bytes: Uint8Array
  position: number
  readonly end: number
}

const varintBytesMax = 5
const varlongBytesMax = 10

/**
 * Reads a signed 32-bit integer: zigzag, seven bits a byte, the lowest first (protobuf's sint32).
 * @throws RecordError when it goes past the cursor's end or takes more than 5 bytes.
 */
export function readVarint(cursor: Cursor): number {
  const { bytes, end } = cursor
  let position = cursor.position
  let value = 0
  for (let shift = 0; shift < varintBytesMax * 7; shift += 7) {
    if (position >= end) throw new RecordError('a varint is cut off')
    const byte = bytes[position++] as number
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      cursor.position = position
      return (value >>> 1) ^ -(value & 1)
    }
  }
  throw new RecordError(`a varint takes more than ${varintBytesMax} bytes`)
}

/**
 * Reads a signed 64-bit integer likewise; beyond the safe integers it is clamped to the nearest of them.
 * @throws RecordError when it goes past the cursor's end or takes more than 10 bytes.
 */
export function readVarlong(cursor: Cursor): number {
  const { bytes, end } = cursor
  let position = cursor.position
  // Bits 0-27 and 28-55 apart, as bit operators work on 32 bits; bits 56-63 in the ninth and tenth byte.
  let low = 0
  let middle = 0
  let high = 0
  for (let index = 0; index < varlongBytesMax; index++) {
    if (position >= end) throw new RecordError('a varlong is cut off')
    const byte = bytes[position++] as number
    const bits = byte & 0x7f
    if (index < 4) low |= bits << (index * 7)
    else if (index < 8) middle |= bits << ((index - 4) * 7)
    else high |= bits << ((index - 8) * 7)
    if (byte < 0x80) {
      cursor.position = position
      if (index < 4) return (low >>> 1) ^ -(low & 1)
      // The half that zigzag is after, then its sign: -(half + 1) where the lowest bit is set.
      const half = (high & 0xff) * 2 ** 55 + middle * 2 ** 27 + (low >>> 1)
      const magnitude = Math.min(half, Number.MAX_SAFE_INTEGER)
      return (low & 1) === 0 ? magnitude : -Math.min(magnitude + 1, Number.MAX_SAFE_INTEGER)
    }
  }
  throw new RecordError(`a varlong takes more than ${varlongBytesMax} bytes`)
}

/** Bytes that `writeVarint` takes for `value`, a signed 32-bit integer. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Writes a signed 32-bit integer; gives the position after it. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag >= 0x80) {
    bytes[position++] = (zigzag & 0x7f) | 0x80
    zigzag >>>= 7
  }
  bytes[position++] = zigzag
  return position
}

/** Bytes that `writeVarlong` takes for `value`, a safe integer. */
export function varlongSize(value: number): number {
  if (value === value >> 0) return varintSize(value)
  // Beyond 32 bits the zigzag form (which may be twice as large as a safe integer) is not formed, but measured.
  let rest = Math.floor((value < 0 ? -(value + 1) : value) / 0x40)
  let size = 1
  while (rest >= 1) {
    rest = Math.floor(rest / 0x80)
    size++
  }
  return size
}

/** Writes a safe integer as a signed 64-bit one; gives the position after it. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value === value >> 0) return writeVarint(bytes, position, value)
  // The lowest byte has the sign and six bits, each following one seven.
  let magnitude = value < 0 ? -(value + 1) : value
  bytes[position++] = (magnitude % 0x40) * 2 + (value < 0 ? 1 : 0) + (magnitude >= 0x40 ? 0x80 : 0)
  magnitude = Math.floor(magnitude / 0x40)
  while (magnitude >= 0x80) {
    bytes[position++] = (magnitude % 0x80) | 0x80
    magnitude = Math.floor(magnitude / 0x80)
  }
  if (magnitude > 0) bytes[position++] = magnitude
  return position
}
