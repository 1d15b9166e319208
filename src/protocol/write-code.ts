import {
  bodyAndTagged,
  fixedSize,
  leastSize,
  type TaggedField,
  type WireField,
  type WireMessage,
  type WireType,
} from './at-version.js'
import { literal } from './literal.js'

/**
 * The source of a function `(w, m) => void` that writes message `m` with writer `w`, with `r` (see `writing` in
 * writer.ts) in scope. Room is made once for a run of fields of fixed size; every value is checked, because a wrong
 * one would silently shift what comes after it. Fields that the version doesn't have are not looked at.
 */
export function writeCode(message: WireMessage): string {
  const code = new WriteCode(message)
  code.struct(message.fields, 'm', '', 0)
  return ['let b = w.buffer, p = w.position', ...code.lines, 'w.position = p'].join('\n')
}

class WriteCode {
  readonly lines: string[] = []
  readonly #message: WireMessage
  /** Bytes from the position on that are known to be free. */
  #free = 0
  /** Bytes written since `p` was last moved. */
  #written = 0
  #variables = 0

  constructor(message: WireMessage) {
    this.#message = message
  }

  /** Writes the fields of the struct that is in variable `from`, `free` bytes of which are known to have room. */
  struct(fields: readonly WireField[], from: string, path: string, free: number): void {
    const { body, tagged } = bodyAndTagged(fields)
    this.#free = free
    body.forEach((field, i) => {
      this.#ensureRun(body, i)
      const value = this.#variable(field.name)
      this.#add(`let ${value} = ${from}.${field.name}`)
      if (field.isOptional) this.#add(`if (${value} === undefined) ${value} = ${omitted(field)}`)
      this.#field(field, value)
    })
    if (this.#message.isFlexible) this.#taggedSection(tagged, from, path)
    else this.#settle()
  }

  /** Makes room at once for the fixed sizes from field `i` on, up to the first field of varying size. */
  #ensureRun(body: readonly WireField[], i: number): void {
    let run = 0
    for (const { type } of body.slice(i)) {
      const size = fixedSize(type.kind)
      if (size === undefined) break
      run += size
    }
    if (run > this.#free) this.#ensure(run)
  }

  #ensure(size: number): void {
    this.#room(String(size))
    this.#free = size
  }

  #room(size: string): void {
    this.#settle()
    this.#add(`if (b.length - p < ${size}) { b = w.grow(p, ${size}); p = w.position }`)
    this.#free = 0
  }

  #field(field: WireField, value: string): void {
    const { type } = field
    const path = this.#name(field.path)
    switch (type.kind) {
      case 'boolean':
        this.#add(`if (typeof ${value} !== 'boolean') r.bad(${path}, ${value})`)
        this.#fixed(1, [`${value} ? 1 : 0`])
        break
      case 'int8':
        this.#integer(value, path, `${value} << 24 >> 24`, 1)
        break
      case 'int16':
        this.#integer(value, path, `${value} << 16 >> 16`, 2)
        break
      case 'uint16':
        this.#integer(value, path, `(${value} & 65535)`, 2)
        break
      case 'int32':
        this.#integer(value, path, `(${value} | 0)`, 4)
        break
      case 'int64':
        this.#int64(value, path, type.saturating)
        break
      case 'float64':
        this.#add(`if (typeof ${value} !== 'number') r.bad(${path}, ${value})`)
        this.#add(`b.writeDoubleBE(${value}, ${this.#at(0)})`)
        this.#advance(8)
        break
      case 'uuid':
        this.#add(`if (typeof ${value} !== 'string') r.bad(${path}, ${value})`)
        this.#add(`r.putUuid(b, ${this.#at(0)}, ${value}, ${path})`)
        this.#advance(16)
        break
      case 'string':
        this.#string(field, value, path)
        break
      case 'bytes':
        this.#bytes(field, value, path)
        break
      case 'records':
        this.#records(field, value, path)
        break
      case 'array':
        this.#array(field, value, path, type.element)
        break
      case 'struct':
        this.#inlineStruct(field, value, path, type.fields)
        break
    }
  }

  #integer(value: string, path: string, truncated: string, size: number): void {
    this.#add(`if (${value} !== ${truncated}) r.bad(${path}, ${value})`)
    this.#fixed(size, shifts(value, size))
  }

  #int64(value: string, path: string, saturating: boolean): void {
    const high = this.#variable('high')
    const low = this.#variable('low')
    this.#add(`let ${high} = Math.floor(${value} / 4294967296), ${low} = ${value} >>> 0`)
    this.#add(`if (!Number.isSafeInteger(${value})) {`)
    if (saturating) {
      this.#add(`if (${value} === Infinity) { ${high} = 0x7fffffff; ${low} = 0xffffffff }`)
      this.#add(`else if (${value} === -Infinity) { ${high} = 0x80000000; ${low} = 0 } else`)
    }
    this.#add(`r.bad(${path}, ${value})`)
    this.#add('}')
    this.#fixed(8, [...shifts(high, 4), ...shifts(low, 4)])
  }

  #string(field: WireField, value: string, path: string): void {
    this.#orNull(field, value, () => {
      this.#add(`if (typeof ${value} !== 'string') r.bad(${path}, ${value})`)
      this.#room(`${value}.length * 3 + 5`)
      if (this.#message.isFlexible) this.#add(`p = r.putCompactString(b, p, ${value})`)
      else this.#add(`p = r.putString(b, p, ${value}, ${path})`)
    })
  }

  #bytes(field: WireField, value: string, path: string): void {
    this.#orNull(field, value, () => {
      this.#add(`if (!(${value} instanceof Uint8Array)) r.bad(${path}, ${value})`)
      this.#room(`${value}.length + 5`)
      this.#length(`${value}.length`)
      this.#add(`b.set(${value}, p)`)
      this.#add(`p += ${value}.length`)
    })
  }

  #records(field: WireField, value: string, path: string): void {
    this.#settle()
    if (!field.isNullable) this.#add(`if (${value} == null) r.bad(${path}, ${value})`)
    this.#add(`w.records(p, ${value}, ${this.#message.isFlexible}, ${path})`)
    this.#add('b = w.buffer; p = w.position')
    this.#free = 0
  }

  #array(field: WireField, value: string, path: string, element: WireType): void {
    const least = leastSize(element, this.#message.isFlexible)
    const i = this.#variable('i')
    const item = this.#variable('element')
    this.#orNull(field, value, () => {
      this.#add(`if (!Array.isArray(${value})) r.bad(${path}, ${value})`)
      this.#room(least.exact ? `${value}.length * ${least.size} + 5` : '5')
      this.#length(`${value}.length`)
      this.#add(`for (let ${i} = 0; ${i} < ${value}.length; ${i}++) {`)
      this.#add(`const ${item} = ${value}[${i}]`)
      this.#free = least.exact ? least.size : 0
      const elementPath = `${field.path}[]`
      if (element.kind === 'struct') {
        this.#add(`if (${item} == null) r.bad(${this.#name(elementPath)}, ${item})`)
        this.struct(element.fields, item, elementPath, this.#free)
      } else {
        const one: WireField = { ...field, path: elementPath, type: element, isNullable: false }
        if (!least.exact) this.#ensureRun([one], 0)
        this.#field(one, item)
        this.#settle()
      }
      this.#add('}')
    })
  }

  #inlineStruct(field: WireField, value: string, path: string, fields: readonly WireField[]): void {
    if (!field.isNullable) {
      this.#add(`if (${value} == null) r.bad(${path}, ${value})`)
      this.struct(fields, value, field.path, this.#free)
      return
    }
    this.#ensure(1)
    this.#add(`b[p++] = ${value} === null ? 255 : 1`)
    this.#add(`if (${value} !== null) {`)
    this.struct(fields, value, field.path, 0)
    this.#add('}')
    this.#free = 0
  }

  /** Writes the null of a string, bytes or array where it is null (and may be), else what `write` writes. */
  #orNull(field: WireField, value: string, write: () => void): void {
    this.#settle()
    if (!field.isNullable) {
      write()
    } else {
      this.#add(`if (${value} === null) {`)
      this.#room('5')
      if (this.#message.isFlexible) this.#add('b[p++] = 0')
      else if (field.type.kind === 'string') this.#add('b[p++] = 255; b[p++] = 255')
      else this.#add('b[p++] = 255; b[p++] = 255; b[p++] = 255; b[p++] = 255')
      this.#add('} else {')
      write()
      this.#add('}')
    }
    this.#free = 0
  }

  /** Writes the length of bytes or the count of an array; 5 bytes must be free. */
  #length(length: string): void {
    if (this.#message.isFlexible) {
      this.#add(`if (${length} < 127) b[p++] = ${length} + 1; else p = r.putVarint(b, p, ${length} + 1)`)
    } else {
      this.#fixed(4, shifts(length, 4))
      this.#settle()
    }
  }

  #taggedSection(tagged: readonly TaggedField[], from: string, path: string): void {
    if (this.#free < 1) this.#ensure(1)
    if (tagged.length === 0) {
      this.#fixed(1, ['0'])
      this.#settle()
      return
    }
    this.#settle()
    const count = this.#variable('tags')
    this.#add(`let ${count} = 0`)
    const values = tagged.map((field) => {
      const value = this.#variable(field.name)
      const isThere = this.#variable('has')
      this.#add(`const ${value} = ${from}.${field.name}`)
      this.#add(`const ${isThere} = ${value} !== undefined && !(${isDefault(field, value)})`)
      this.#add(`if (${isThere}) ${count} += 1`)
      return { field, value, isThere }
    })
    this.#add(`b[p++] = ${count}`)
    for (const { field, value, isThere } of values) {
      if (field.type.kind === 'records') throw new TypeError(`${path}: tagged records are not supported`)
      const mark = this.#variable('mark')
      this.#add(`if (${isThere}) {`)
      this.#room('10')
      this.#add(`p = r.putVarint(b, p, ${field.tag})`)
      this.#add(`const ${mark} = w.mark(p)`)
      this.#add('p += 5')
      this.#ensureRun([field], 0)
      this.#field(field, value)
      this.#settle()
      this.#add(`p = w.closeTag(p, ${mark})`)
      this.#add('}')
    }
    this.#free = 0
  }

  #fixed(size: number, bytes: readonly string[]): void {
    bytes.forEach((byte, i) => {
      this.#add(`b[${this.#at(i)}] = ${byte}`)
    })
    this.#advance(size)
  }

  #advance(size: number): void {
    this.#written += size
    this.#free -= size
  }

  /** Moves `p` past what has been written. */
  #settle(): void {
    if (this.#written > 0) this.#add(`p += ${this.#written}`)
    this.#written = 0
  }

  #at(offset: number): string {
    const distance = this.#written + offset
    return distance === 0 ? 'p' : `p + ${distance}`
  }

  #variable(name: string): string {
    this.#variables += 1
    return `${name}${this.#variables}`
  }

  #name(path: string): string {
    return JSON.stringify(`${this.#message.name}: ${path}`)
  }

  #add(line: string): void {
    this.lines.push(line)
  }
}

/** What is written for a field that was left out. Records are written from pieces, of which there are none. */
function omitted(field: WireField): string {
  return field.type.kind === 'records' && field.default !== null ? '[]' : literal(field)
}

/** The bytes of an integer, the highest first; storing into a byte array drops the rest. */
function shifts(value: string, size: number): string[] {
  return Array.from({ length: size }, (_, i) => (i === size - 1 ? value : `${value} >>> ${8 * (size - 1 - i)}`))
}

/** A condition: `value` is the default of the tagged field, so that it isn't written. */
function isDefault(field: WireField, value: string): string {
  if (field.default === null) return `${value} === null`
  switch (field.type.kind) {
    case 'array':
    case 'bytes':
      return `${value} !== null && ${value}.length === 0`
    case 'struct': {
      const parts = field.type.fields
        .filter((part) => part.isPresent)
        .map((part) => `(${value}.${part.name} === undefined || ${isDefault(part, `${value}.${part.name}`)})`)
      return [`${value} !== null`, ...parts].join(' && ')
    }
    default:
      return `${value} === ${literal(field)}`
  }
}
