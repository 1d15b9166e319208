import type { Message } from '../../src/protocol/api.js'
import { type Field, type Presence, type Shape, type Type, ZERO_UUID } from '../../src/protocol/schema.js'

/**
 * A second opinion on the wire format: reads and writes messages by interpreting their declaration, plainly and
 * slowly. It shares nothing with the compiled codec but the declarations, so that the two check each other.
 */

type AnyField = Field<unknown, unknown, boolean>
type Values = Record<string, unknown>

/** An unknown tagged field that the oracle puts into every tagged section it writes. */
export interface UnknownTag {
  readonly tag: number
  readonly content: Buffer
}

/** Writes `value`, and `unknown` into each tagged section when given. */
export function oracleWrite(message: Message<Shape>, version: number, value: unknown, unknown?: UnknownTag): Buffer {
  const oracle = new Oracle(version, version >= message.flexible, unknown)
  return Buffer.concat(oracle.writeShape(message.fields, value as Values))
}

/** Reads a whole message. Throws an Error when it isn't one. */
export function oracleRead(message: Message<Shape>, version: number, buffer: Buffer): unknown {
  const oracle = new Oracle(version, version >= message.flexible)
  const cursor = new Cursor(buffer)
  const value = oracle.readShape(message.fields, cursor)
  if (cursor.rest !== 0) throw new Error('trailing bytes')
  return value
}

/** What a reader gives for `value` after a round trip: absent fields have their default, records are one buffer. */
export function normalised(shape: Shape, version: number, value: unknown): Values {
  const given = value as Values
  return Object.fromEntries(
    Object.entries(shape).map(([name, field]) => {
      const isAbsent = !isPresent(field.presence, version) || given[name] === undefined
      return [name, isAbsent ? absent(field) : normalisedType(field.type, version, given[name])]
    }),
  )
}

function normalisedType(type: Type, version: number, value: unknown): unknown {
  if (value === null) return null
  if (type.kind === 'records') return Buffer.concat(value as Buffer[])
  if (type.kind === 'struct') return normalised(type.fields, version, value)
  if (type.kind === 'array')
    return (value as unknown[]).map((element) => normalisedType(type.element, version, element))
  return value
}

/** Whether a version carries a field. */
export function isPresent(presence: Presence, version: number): boolean {
  return presence.since <= version && version <= presence.until
}

/** Whether a field may be null in a version. */
export function isNullable(presence: Presence, version: number): boolean {
  return presence.nullableSince <= version
}

/** The value of a field where it is absent. */
export function absent({ type, presence }: AnyField): unknown {
  if (presence.default !== undefined) return presence.default
  if (presence.nullableSince <= presence.since) return null
  switch (type.kind) {
    case 'boolean':
      return false
    case 'string':
      return ''
    case 'uuid':
      return ZERO_UUID
    case 'bytes':
    case 'records':
      return Buffer.alloc(0)
    case 'array':
      return []
    case 'struct':
      return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, absent(field)]))
    default:
      return 0
  }
}

class Cursor {
  readonly #buffer: Buffer
  #position = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get rest(): number {
    return this.#buffer.length - this.#position
  }

  take(size: number): Buffer {
    if (size < 0 || size > this.rest) throw new Error('out of bounds')
    this.#position += size
    return this.#buffer.subarray(this.#position - size, this.#position)
  }

  varint(): number {
    let value = 0n
    for (let shift = 0n; shift < 35n; shift += 7n) {
      const byte = this.take(1).readUInt8()
      value += BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        if (value > 0xffffffffn) throw new Error('varint too large')
        return Number(value)
      }
    }
    throw new Error('varint too long')
  }
}

class Oracle {
  readonly #version: number
  readonly #isFlexible: boolean
  readonly #unknown: UnknownTag | undefined

  constructor(version: number, isFlexible: boolean, unknown?: UnknownTag) {
    this.#version = version
    this.#isFlexible = isFlexible
    this.#unknown = unknown
  }

  readShape(shape: Shape, cursor: Cursor): Values {
    const values: Values = {}
    for (const [name, field] of Object.entries(shape)) {
      const inBody = isPresent(field.presence, this.#version) && field.presence.tag === undefined
      values[name] = inBody ? this.#read(field.type, this.#nullable(field), cursor) : absent(field)
    }
    if (!this.#isFlexible) return values
    let last = -1
    for (let left = cursor.varint(); left > 0; left--) {
      const tag = cursor.varint()
      if (tag <= last) throw new Error('tags out of order')
      last = tag
      const content = new Cursor(cursor.take(cursor.varint()))
      const known = this.#tagged(shape).find(([, field]) => field.presence.tag === tag)
      if (known === undefined) continue
      values[known[0]] = this.#read(known[1].type, this.#nullable(known[1]), content)
      if (content.rest > 0) throw new Error('tagged field too long')
    }
    return values
  }

  writeShape(shape: Shape, values: Values): Buffer[] {
    const out: Buffer[] = []
    for (const [name, field] of Object.entries(shape)) {
      if (!isPresent(field.presence, this.#version) || field.presence.tag !== undefined) continue
      out.push(
        this.#write(field.type, this.#nullable(field), values[name] === undefined ? absent(field) : values[name]),
      )
    }
    if (!this.#isFlexible) return out
    const tags: { tag: number; content: Buffer }[] = []
    for (const [name, field] of this.#tagged(shape)) {
      const value = values[name] === undefined ? absent(field) : values[name]
      const standard = this.#write(field.type, this.#nullable(field), absent(field))
      const content = this.#write(field.type, this.#nullable(field), value)
      if (!content.equals(standard)) tags.push({ tag: field.presence.tag as number, content })
    }
    if (this.#unknown !== undefined) tags.push(this.#unknown)
    tags.sort((a, b) => a.tag - b.tag)
    out.push(varint(tags.length))
    for (const { tag, content } of tags) out.push(varint(tag), varint(content.length), content)
    return out
  }

  #tagged(shape: Shape): [string, AnyField][] {
    const isTagged = ({ presence }: AnyField) => presence.tag !== undefined && isPresent(presence, this.#version)
    return Object.entries(shape).filter(([, field]) => isTagged(field))
  }

  #nullable(field: AnyField): boolean {
    return isNullable(field.presence, this.#version)
  }

  #read(type: Type, nullable: boolean, cursor: Cursor): unknown {
    switch (type.kind) {
      case 'boolean':
        return cursor.take(1).readInt8() !== 0
      case 'int8':
        return cursor.take(1).readInt8()
      case 'int16':
        return cursor.take(2).readInt16BE()
      case 'uint16':
        return cursor.take(2).readUInt16BE()
      case 'int32':
        return cursor.take(4).readInt32BE()
      case 'int64': {
        const value = Number(cursor.take(8).readBigInt64BE())
        if (Number.isSafeInteger(value)) return value
        if (type.saturating) return value > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
        throw new Error('unsafe integer')
      }
      case 'float64':
        return cursor.take(8).readDoubleBE()
      case 'uuid':
        return cursor.take(16).toString('hex')
      case 'struct': {
        if (!nullable) return this.readShape(type.fields, cursor)
        const mark = cursor.take(1).readInt8()
        if (mark !== 1 && mark !== -1) throw new Error('neither present nor null')
        return mark === 1 ? this.readShape(type.fields, cursor) : null
      }
    }
    const length = this.#readLength(type, cursor)
    if (length === -1 && nullable) return null
    if (length < 0) throw new Error('negative length')
    if (type.kind === 'string') return cursor.take(length).toString('utf8')
    if (type.kind !== 'array') return cursor.take(length)
    if (length > cursor.rest) throw new Error('too many elements')
    return Array.from({ length }, () => this.#read(type.element, false, cursor))
  }

  #readLength(type: Type, cursor: Cursor): number {
    if (this.#isFlexible) return cursor.varint() - 1
    return type.kind === 'string' ? cursor.take(2).readInt16BE() : cursor.take(4).readInt32BE()
  }

  #write(type: Type, nullable: boolean, value: unknown): Buffer {
    switch (type.kind) {
      case 'boolean':
        return integer(1, (b) => b.writeInt8(value ? 1 : 0))
      case 'int8':
        return integer(1, (b) => b.writeInt8(value as number))
      case 'int16':
        return integer(2, (b) => b.writeInt16BE(value as number))
      case 'uint16':
        return integer(2, (b) => b.writeUInt16BE(value as number))
      case 'int32':
        return integer(4, (b) => b.writeInt32BE(value as number))
      case 'int64':
        return integer(8, (b) => b.writeBigInt64BE(int64(value as number)))
      case 'float64':
        return integer(8, (b) => b.writeDoubleBE(value as number))
      case 'uuid':
        return Buffer.from(value as string, 'hex')
      case 'struct': {
        if (value === null) return Buffer.from([255])
        const content = this.writeShape(type.fields, value as Values)
        return Buffer.concat(nullable ? [Buffer.from([1]), ...content] : content)
      }
      case 'array': {
        if (value === null) return this.#length(type, -1)
        const elements = value as unknown[]
        const parts = elements.map((element) => this.#write(type.element, false, element))
        return Buffer.concat([this.#length(type, elements.length), ...parts])
      }
    }
    if (value === null) return this.#length(type, -1)
    const content = contentOf(value)
    return Buffer.concat([this.#length(type, content.length), content])
  }

  #length(type: Type, length: number): Buffer {
    if (this.#isFlexible) return varint(length + 1)
    return type.kind === 'string'
      ? integer(2, (b) => b.writeInt16BE(length))
      : integer(4, (b) => b.writeInt32BE(length))
  }
}

function contentOf(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  return Array.isArray(value) ? Buffer.concat(value as Buffer[]) : (value as Buffer)
}

function int64(value: number): bigint {
  if (value === Number.POSITIVE_INFINITY) return 2n ** 63n - 1n
  if (value === Number.NEGATIVE_INFINITY) return -(2n ** 63n)
  return BigInt(value)
}

function integer(size: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size)
  write(buffer)
  return buffer
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}
