import { EncodeError } from './protocol-error.js'

/** Bytes of the slab that frames are written into one after the other. */
const slabBytes = 32 * 1024

/** Records up to this many bytes are copied into the frame; longer ones travel as chunks of their own. */
const copiedRecordsBytesMax = 1024

/** Longer strings are measured and written natively instead of character by character. */
const shortStringMax = 40

/** The part of node's Buffer that writes without looking up an encoding by name. */
type RawBuffer = Buffer & { utf8Write(text: string, offset: number): number }

/**
 * Writes frames as lists of buffers. Frames lie one behind the other in a slab that is never written twice, so a
 * frame may wait for its socket as long as it likes; one frame is written at a time, synchronously.
 * Compiled code keeps `buffer` and `position` in local variables, and stores the position back when it calls.
 */
export class Writer {
  buffer: Buffer = Buffer.allocUnsafeSlow(slabBytes)
  position = 0
  /** Where what is not yet a chunk starts in `buffer`. */
  #start = 0
  #chunks: Buffer[] = []

  /** Starts a frame, and leaves room for its length. */
  begin(): void {
    this.#chunks = []
    if (this.buffer.length - this.#start < 64) this.#newSlab(0, slabBytes)
    this.position = this.#start + 4
  }

  /** Ends the frame, and writes its length in front. */
  finish(): Buffer[] {
    this.#cut()
    const chunks = this.#chunks
    let length = 0
    for (const chunk of chunks) length += chunk.length
    const first = chunks[0] as Buffer
    first.writeInt32BE(length - 4, 0)
    this.#chunks = []
    // What is left of an outsized slab isn't used on: a small frame that waits would keep all of it alive.
    if (this.buffer.length > slabBytes) this.#newSlab(0, slabBytes)
    return chunks
  }

  /** Makes room for `size` bytes at `position`; the buffer and the position after it are in the fields of these names. */
  grow(position: number, size: number): Buffer {
    this.position = position
    if (this.buffer.length - position < size) {
      const written = position - this.#start
      this.#newSlab(written, Math.max(slabBytes, (written + size) * 2))
    }
    return this.buffer
  }

  /** Writes the pieces of a `records` field with their length in front; long ones are not copied. */
  records(position: number, pieces: readonly Buffer[] | null, isFlexible: boolean, field: string): void {
    if (!Array.isArray(pieces) && pieces !== null) bad(field, pieces)
    let total = 0
    if (pieces !== null) for (const piece of pieces) total += piece.length
    const isCopied = total <= copiedRecordsBytesMax
    const buffer = this.grow(position, 5 + (isCopied ? total : 0))
    const length = pieces === null ? -1 : total
    if (isFlexible) this.position = putVarint(buffer, this.position, length + 1)
    else this.position = buffer.writeInt32BE(length, this.position)
    if (pieces === null || total === 0) return
    if (isCopied) {
      for (const piece of pieces) {
        buffer.set(piece, this.position)
        this.position += piece.length
      }
    } else {
      this.#cut()
      for (const piece of pieces) if (piece.length > 0) this.#chunks.push(piece)
    }
  }

  /** Where the position is, in a way that outlives `grow`. */
  mark(position: number): number {
    return position - this.#start
  }

  /**
   * Ends a tagged field whose content started 5 bytes after `mark`: writes its size there, and moves the content up to it.
   * @returns the position after it.
   */
  closeTag(position: number, mark: number): number {
    const sizeAt = this.#start + mark
    const contentAt = sizeAt + 5
    const target = putVarint(this.buffer, sizeAt, position - contentAt)
    this.buffer.copyWithin(target, contentAt, position)
    return target + position - contentAt
  }

  #cut(): void {
    if (this.position === this.#start) return
    this.#chunks.push(this.buffer.subarray(this.#start, this.position))
    this.#start = this.position
  }

  #newSlab(written: number, size: number): void {
    const slab = Buffer.allocUnsafeSlow(size)
    this.buffer.copy(slab, 0, this.#start, this.#start + written)
    this.buffer = slab
    this.#start = 0
    this.position = written
  }
}

/** What compiled writers call besides the `Writer` itself. */
export const writing = { putVarint, putString, putCompactString, putUuid, bad, noBytes: Buffer.alloc(0) }

/** Writes an unsigned varint of up to 32 bits; 5 bytes must be free. Returns the position after it. */
function putVarint(buffer: Buffer, position: number, value: number): number {
  let rest = value
  let at = position
  while (rest > 127) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at] = rest
  return at + 1
}

/** Writes a string behind its 16-bit length; 3 bytes per character and 2 must be free. Returns the position after it. */
function putString(buffer: Buffer, position: number, text: string, field: string): number {
  const size = putText(buffer, position + 2, text)
  if (size > 32767) bad(field, `a string of ${size} bytes`)
  buffer[position] = size >>> 8
  buffer[position + 1] = size
  return position + 2 + size
}

/** Writes a string behind its length as a varint; 3 bytes per character and 5 must be free. Returns the position after it. */
function putCompactString(buffer: Buffer, position: number, text: string): number {
  if (text.length <= shortStringMax) {
    const size = putText(buffer, position + 1, text)
    buffer[position] = size + 1
    return position + 1 + size
  }
  const start = putVarint(buffer, position, Buffer.byteLength(text) + 1)
  return start + (buffer as RawBuffer).utf8Write(text, start)
}

/** Writes the text in UTF-8 and returns its bytes; a loop is quicker than a native call for short ASCII. */
function putText(buffer: Buffer, position: number, text: string): number {
  const length = text.length
  if (length <= shortStringMax) {
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) break
      buffer[position + i] = code
    }
    if (i === length) return length
  }
  return (buffer as RawBuffer).utf8Write(text, position)
}

function putUuid(buffer: Buffer, position: number, hex: string, field: string): void {
  if (hex.length !== 32 || buffer.write(hex, position, 16, 'hex') !== 16) bad(field, hex)
}

function bad(field: string, value: unknown): never {
  throw new EncodeError(field, `can't write ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`)
}
