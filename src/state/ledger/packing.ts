/** What is packed at once fits into so many bytes, usually. */
const usualBytes = 16 * 1024

/**
 * Writes MessagePack, of what a loaded ledger consists of, straight from numbers and bytes: just as `pack` does it, byte for
 * byte, at a fraction of the cost. One thing is written at a time, synchronously.
 */
export class Packing {
  #bytes = Buffer.allocUnsafeSlow(usualBytes)
  #length = 0

  /** Begins, and leaves so many bytes for what is to stand before. */
  begin(before = 0): void {
    this.#length = before
  }

  /** Bytes written so far, with what was left for before. */
  get length(): number {
    return this.#length
  }

  /** What has been written so far, for the moment. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** A copy of what has been written. */
  finish(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#length)
    bytes.set(this.written())
    return bytes
  }

  /** Elements of an array are to follow. */
  array(length: number): void {
    const bytes = this.#room(5)
    if (length < 16) bytes[this.#length++] = 0x90 | length
    else if (length < 0x1_0000) this.#tagged16(0xdc, length)
    else this.#tagged32(0xdd, length)
  }

  /** So many keys, each with its value, are to follow. */
  map(length: number): void {
    this.#room(3)
    this.#tagged16(0xde, length)
  }

  integer(value: number): void {
    const bytes = this.#room(9)
    if (value >>> 0 === value) {
      if (value < 0x80) bytes[this.#length++] = value
      else if (value < 0x100) this.#tagged8(0xcc, value)
      else if (value < 0x1_0000) this.#tagged16(0xcd, value)
      else this.#tagged32(0xce, value)
    } else if (value >> 0 === value) {
      if (value >= -0x20) bytes[this.#length++] = value
      else if (value >= -0x80) this.#tagged8(0xd0, value)
      else if (value >= -0x8000) this.#tagged16(0xd1, value)
      else this.#tagged32(0xd2, value)
    } else {
      bytes[this.#length++] = 0xcb
      this.#length = bytes.writeDoubleBE(value, this.#length)
    }
  }

  string(text: string): void {
    const size = Buffer.byteLength(text)
    const bytes = this.#room(size + 5)
    if (size < 0x20) bytes[this.#length++] = 0xa0 | size
    else if (size < 0x100) this.#tagged8(0xd9, size)
    else if (size < 0x1_0000) this.#tagged16(0xda, size)
    else this.#tagged32(0xdb, size)
    if (size !== text.length) bytes.write(text, this.#length)
    else for (let i = 0; i < size; i++) bytes[this.#length + i] = text.charCodeAt(i)
    this.#length += size
  }

  binary(content: Uint8Array): void {
    const size = content.length
    const bytes = this.#room(size + 5)
    if (size < 0x100) this.#tagged8(0xc4, size)
    else if (size < 0x1_0000) this.#tagged16(0xc5, size)
    else this.#tagged32(0xc6, size)
    bytes.set(content, this.#length)
    this.#length += size
  }

  /** Four bytes as they are. */
  uint32(value: number): void {
    this.#length = this.#room(4).writeUInt32BE(value, this.#length)
  }

  #tagged8(tag: number, value: number): void {
    const bytes = this.#bytes
    bytes[this.#length++] = tag
    bytes[this.#length++] = value
  }

  #tagged16(tag: number, value: number): void {
    const bytes = this.#bytes
    bytes[this.#length++] = tag
    bytes[this.#length++] = value >>> 8
    bytes[this.#length++] = value
  }

  #tagged32(tag: number, value: number): void {
    const bytes = this.#bytes
    bytes[this.#length++] = tag
    bytes[this.#length++] = value >>> 24
    bytes[this.#length++] = value >>> 16
    bytes[this.#length++] = value >>> 8
    bytes[this.#length++] = value
  }

  #room(bytes: number): Buffer {
    if (this.#bytes.length - this.#length < bytes) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + bytes))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    return this.#bytes
  }
}
