import { limits } from '../base/limits.js'
import {
  bodyAndTagged,
  fixedSize,
  leastSize,
  lengthSize,
  type TaggedField,
  type WireField,
  type WireMessage,
  type WireType,
} from './at-version.js'
import { literal } from './literal.js'

/**
 * The source of a function `(b, p, e) => message` that reads a message from buffer `b` between `p` and `e`, with
 * `r` (see reader.ts) in scope. Bounds are checked once for a run of fields of fixed size, and for each length;
 * everything is a local variable, and each struct is built in one literal, so that its objects share one shape.
 */
export function readCode(message: WireMessage, rest: 'refused' | 'ignored'): string {
  const code = new ReadCode(message)
  const result = code.struct(message.fields, '', 0)
  return [
    'let n = 0, elements = 0',
    ...code.lines,
    ...(rest === 'ignored' ? [] : [`if (p !== e) r.trailing(${JSON.stringify(message.name)}, e - p)`]),
    `return ${result}`,
  ].join('\n')
}

class ReadCode {
  readonly lines: string[] = []
  readonly #message: WireMessage
  /** The name of the variable that holds the end of what may be read. */
  #end = 'e'
  /** Bytes from the position on that are known to be there. */
  #known = 0
  /** Bytes read since `p` was last moved. */
  #read = 0
  #variables = 0

  constructor(message: WireMessage) {
    this.#message = message
  }

  /** Reads the fields of a struct; `known` bytes of it are known to be there. Returns the literal that builds it. */
  struct(fields: readonly WireField[], path: string, known: number): string {
    const { body, tagged } = bodyAndTagged(fields)
    const values = new Map<string, string>()
    this.#known = known
    body.forEach((field, i) => {
      this.#ensureRun(body, i)
      const name = this.#variable(field.name)
      this.#field(field, name)
      values.set(field.name, name)
    })
    if (this.#message.isFlexible) this.#taggedSection(tagged, path, values)
    else this.#settle()
    const entries = fields.map((field) => `${field.name}: ${values.get(field.name) ?? literal(field)}`)
    return `{ ${entries.join(', ')} }`
  }

  /** Checks at once for the fixed sizes from field `i` on, up to the first length of something of varying size. */
  #ensureRun(body: readonly WireField[], i: number): void {
    const isFlexible = this.#message.isFlexible
    let run = 0
    let isOpen = true
    for (let k = i; k < body.length && isOpen; k++) {
      const { type, isNullable } = body[k] as WireField
      const size = fixedSize(type.kind)
      isOpen = size !== undefined
      if (type.kind === 'struct') run += isNullable ? 1 : 0
      else run += size ?? lengthSize(type.kind, isFlexible)
    }
    if (isOpen && isFlexible) run += 1
    if (run > this.#known) this.#ensure(run, (body[i] as WireField).path)
  }

  #ensure(size: number, path: string): void {
    this.#settle()
    this.#add(`if (${this.#end} - p < ${size}) r.short(${this.#name(path)}, ${size}, ${this.#end} - p)`)
    this.#known = size
  }

  #field(field: WireField, name: string): void {
    const { type, path } = field
    switch (type.kind) {
      case 'boolean':
        this.#fixed(1, `const ${name} = ${this.#byte(0)} !== 0`)
        break
      case 'int8':
        this.#fixed(1, `const ${name} = ${this.#byte(0)} << 24 >> 24`)
        break
      case 'int16':
        this.#fixed(2, `const ${name} = ${this.#int16()}`)
        break
      case 'uint16':
        this.#fixed(2, `const ${name} = ${this.#byte(0)} << 8 | ${this.#byte(1)}`)
        break
      case 'int32':
        this.#fixed(4, `const ${name} = ${this.#int32(0)}`)
        break
      case 'int64':
        this.#int64(name, path, type.saturating)
        break
      case 'float64':
        this.#fixed(8, `const ${name} = b.readDoubleBE(${this.#at(0)})`)
        break
      case 'uuid':
        this.#fixed(16, `const ${name} = b.hexSlice(${this.#at(0)}, ${this.#at(16)})`)
        break
      case 'string':
        this.#sized(field, name, 'b.utf8Slice(p, p + n)', "''")
        break
      case 'bytes':
      case 'records':
        this.#sized(field, name, 'b.subarray(p, p + n)', 'r.noBytes')
        break
      case 'array':
        this.#array(field, name, type.element)
        break
      case 'struct':
        this.#inlineStruct(field, name, type.fields)
        break
    }
  }

  #int64(name: string, path: string, saturating: boolean): void {
    this.#fixed(8, `let ${name} = (${this.#int32(0)}) * 4294967296 + ((${this.#int32(4)}) >>> 0)`)
    const { MAX_SAFE_INTEGER: max, POSITIVE_INFINITY } = Number
    if (saturating) {
      this.#add(`if (${name} > ${max}) ${name} = ${POSITIVE_INFINITY}; else if (${name} < -${max}) ${name} = -Infinity`)
    } else {
      this.#add(`if (${name} > ${max} || ${name} < -${max}) r.unsafe(${this.#name(path)})`)
    }
  }

  /** A string or bytes: its length, then `value` of it, or `empty`. */
  #sized(field: WireField, name: string, value: string, empty: string): void {
    const path = this.#name(field.path)
    this.#length(field.type.kind, path)
    this.#add(`let ${name} = ${field.isNullable ? 'null' : empty}`)
    this.#add('if (n > 0) {')
    this.#add(`if (n > ${this.#end} - p) r.short(${path}, n, ${this.#end} - p)`)
    this.#add(`${name} = ${value}`)
    this.#add('p += n')
    if (field.isNullable) {
      this.#add(`} else if (n === 0) ${name} = ${empty}`)
      this.#add(`else if (n !== -1) r.length(${path}, n)`)
    } else {
      this.#add(`} else if (n !== 0) r.length(${path}, n)`)
    }
    this.#known = 0
  }

  #array(field: WireField, name: string, element: WireType): void {
    const isFlexible = this.#message.isFlexible
    const path = this.#name(field.path)
    const least = leastSize(element, isFlexible)
    const count = this.#variable('count')
    const i = this.#variable('i')
    this.#length('array', path)
    this.#add(`const ${count} = n`)
    if (field.isNullable) this.#add(`if (${count} < -1) r.length(${path}, n)`)
    else this.#add(`if (${count} < 0) r.length(${path}, n)`)
    this.#add(`if (${count} * ${least.size} > ${this.#end} - p) r.count(${path}, ${count}, ${this.#end} - p)`)
    this.#add(`if (${count} > 0 && (elements += ${count}) > ${limits.messageElementsMax}) r.elements(${path})`)
    const empty = `${count} > ${limits.arrayPreallocationMax} ? [] : new Array(${count})`
    this.#add(`const ${name} = ${field.isNullable ? `${count} < 0 ? null : ` : ''}${empty}`)
    this.#add(`for (let ${i} = 0; ${i} < ${count}; ${i}++) {`)
    // Of elements of exact size the count has been checked already.
    this.#known = least.exact ? least.size : 0
    if (element.kind === 'struct') {
      this.#add(`${name}[${i}] = ${this.struct(element.fields, `${field.path}[]`, this.#known)}`)
    } else {
      const value = this.#variable('element')
      const one: WireField = { ...field, path: `${field.path}[]`, type: element, isNullable: false }
      this.#ensureLeast(one)
      this.#field(one, value)
      this.#settle()
      this.#add(`${name}[${i}] = ${value}`)
    }
    this.#add('}')
    this.#known = 0
  }

  /** Checks for the least bytes of a field that stands alone: an element of an array, or a tagged field. */
  #ensureLeast(field: WireField): void {
    const isNullableStruct = field.type.kind === 'struct' && field.isNullable
    const size = isNullableStruct ? 1 : leastSize(field.type, this.#message.isFlexible).size
    if (size > this.#known) this.#ensure(size, field.path)
  }

  #inlineStruct(field: WireField, name: string, fields: readonly WireField[]): void {
    if (!field.isNullable) {
      const value = this.struct(fields, field.path, this.#known)
      this.#add(`const ${name} = ${value}`)
      return
    }
    this.#fixed(1, `n = ${this.#byte(0)} << 24 >> 24`)
    this.#settle()
    this.#add(`let ${name} = null`)
    this.#add('if (n === 1) {')
    this.#add(`${name} = ${this.struct(fields, field.path, 0)}`)
    this.#add(`} else if (n !== -1) r.presence(${this.#name(field.path)}, n)`)
    this.#known = 0
  }

  /** Reads a length or count into `n`; -1 is null. */
  #length(kind: WireType['kind'], path: string): void {
    if (this.#message.isFlexible) {
      this.#settle()
      this.#varint('n', path)
      this.#add('n -= 1')
    } else {
      if (kind === 'string') this.#fixed(2, `n = ${this.#int16()}`)
      else this.#fixed(4, `n = ${this.#int32(0)}`)
      this.#settle()
    }
  }

  /** Reads an unsigned varint of which the first byte is known to be there. */
  #varint(target: string, path: string): void {
    this.#add(`${target} = b[p]`)
    this.#add(`if (${target} < 128) p += 1`)
    this.#add(`else { ${target} = r.varint(b, p, ${this.#end}, ${path}); p = r.position }`)
    this.#known = 0
  }

  #taggedSection(tagged: readonly TaggedField[], path: string, values: Map<string, string>): void {
    const name = this.#name(path)
    const end = this.#end
    if (this.#known < 1) this.#ensure(1, path)
    this.#settle()
    for (const field of tagged) {
      const value = this.#variable(field.name)
      values.set(field.name, value)
      this.#add(`let ${value} = ${literal(field)}`)
    }
    this.#add('if (b[p] === 0) p += 1')
    if (tagged.length === 0) {
      this.#add(`else p = r.skipTags(b, p, ${end}, ${name})`)
    } else {
      const [left, tag, last] = [this.#variable('left'), this.#variable('tag'), this.#variable('last')]
      this.#add('else {')
      this.#add(`let ${left} = r.varint(b, p, ${end}, ${name}), ${tag} = 0, ${last} = -1`)
      this.#add('p = r.position')
      this.#add(`for (; ${left} > 0; ${left}--) {`)
      this.#add(`${tag} = r.varint(b, p, ${end}, ${name})`)
      this.#add(`r.tag(${name}, ${tag}, ${last})`)
      this.#add(`${last} = ${tag}`)
      this.#add(`n = r.varint(b, r.position, ${end}, ${name})`)
      this.#add('p = r.position')
      this.#add(`if (n > ${end} - p) r.short(${name}, n, ${end} - p)`)
      this.#end = this.#variable('end')
      this.#add(`const ${this.#end} = p + n`)
      this.#add(`switch (${tag}) {`)
      for (const field of tagged) this.#taggedField(field, values.get(field.name) as string)
      this.#add(`default: p = ${this.#end}`)
      this.#add('} } }')
      this.#end = end
    }
    this.#known = 0
  }

  #taggedField(field: TaggedField, target: string): void {
    const value = this.#variable(field.name)
    this.#add(`case ${field.tag}: {`)
    this.#known = 0
    this.#ensureLeast(field)
    this.#field(field, value)
    this.#settle()
    this.#add(`${target} = ${value}`)
    this.#add(`if (p !== ${this.#end}) r.trailing(${this.#name(field.path)}, ${this.#end} - p)`)
    this.#add('break }')
  }

  #fixed(size: number, line: string): void {
    this.#add(line)
    this.#read += size
    this.#known -= size
  }

  /** Moves `p` past what has been read. */
  #settle(): void {
    if (this.#read > 0) this.#add(`p += ${this.#read}`)
    this.#read = 0
  }

  #at(offset: number): string {
    const distance = this.#read + offset
    return distance === 0 ? 'p' : `p + ${distance}`
  }

  #byte(offset: number): string {
    return `b[${this.#at(offset)}]`
  }

  #int16(): string {
    return `(${this.#byte(0)} << 8 | ${this.#byte(1)}) << 16 >> 16`
  }

  #int32(offset: number): string {
    const byte = (i: number) => this.#byte(offset + i)
    return `${byte(0)} << 24 | ${byte(1)} << 16 | ${byte(2)} << 8 | ${byte(3)}`
  }

  #variable(name: string): string {
    this.#variables += 1
    return `${name}${this.#variables}`
  }

  #name(path: string): string {
    return JSON.stringify(path === '' ? this.#message.name : `${this.#message.name}: ${path}`)
  }

  #add(line: string): void {
    this.lines.push(line)
  }
}
