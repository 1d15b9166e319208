import { ProtocolError } from './protocol-error.js'

/**
 * What compiled readers call outside their straight path: long varints, unknown tagged fields, and every refusal.
 * A varint longer than a byte leaves the position after it in `position`; all of it is synchronous.
 */
export const reader = {
  position: 0,

  /** Reads an unsigned varint of at most 5 bytes and 32 bits; the position after it is in `reader.position`. */
  varint(buffer: Buffer, start: number, end: number, field: string): number {
    let value = 0
    for (let i = 0; i < 5; i++) {
      if (start + i >= end) reader.short(field, 1, 0)
      const byte = buffer[start + i] as number
      if (i === 4 && byte > 0x0f) break
      value |= (byte & 0x7f) << (i * 7)
      if (byte < 0x80) {
        reader.position = start + i + 1
        return value >>> 0
      }
    }
    throw new ProtocolError(field, 'varint of more than 32 bits')
  },

  /**
   * Skips a tagged section of which no tag is known, starting at its count.
   * @returns the position after it.
   */
  skipTags(buffer: Buffer, start: number, end: number, field: string): number {
    let left = reader.varint(buffer, start, end, field)
    let position = reader.position
    let last = -1
    for (; left > 0; left--) {
      const tag = reader.varint(buffer, position, end, field)
      reader.tag(field, tag, last)
      last = tag
      const size = reader.varint(buffer, reader.position, end, field)
      position = reader.position
      if (size > end - position) reader.short(field, size, end - position)
      position += size
    }
    return position
  },

  /** Refuses a tag that doesn't come after `last`: tags are unique and ascend (KIP-482). */
  tag(field: string, tag: number, last: number): void {
    if (tag <= last) throw new ProtocolError(field, `tag ${tag} after tag ${last}`)
  },

  short(field: string, needed: number, left: number): never {
    throw new ProtocolError(field, `${needed} bytes needed, ${left} left`)
  },

  length(field: string, length: number): never {
    throw new ProtocolError(field, length === -1 ? 'null is not allowed here' : `invalid length ${length}`)
  },

  count(field: string, count: number, left: number): never {
    throw new ProtocolError(field, `${count} elements announced, ${left} bytes left`)
  },

  elements(field: string): never {
    throw new ProtocolError(field, 'too many array elements in one message')
  },

  unsafe(field: string): never {
    throw new ProtocolError(field, 'integer beyond 2^53')
  },

  presence(field: string, value: number): never {
    throw new ProtocolError(field, `${value} is neither present (1) nor null (-1)`)
  },

  trailing(field: string, left: number): never {
    throw new ProtocolError(field, `${left} bytes after its end`)
  },

  noBytes: Buffer.alloc(0),
}
