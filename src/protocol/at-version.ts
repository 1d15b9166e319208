import type { Message } from './api.js'
import { type Field, type Presence, type PrimitiveKind, type Shape, type Type, ZERO_UUID } from './schema.js'

/** A message as it is on the wire in one version. */
export interface WireMessage {
  /** For errors and stack traces: 'Fetch request v12'. */
  readonly name: string
  readonly isFlexible: boolean
  readonly fields: readonly WireField[]
}

/** A field in one version. */
export interface WireField {
  readonly name: string
  /** Where it is in its message: 'topics[].partitions[].index'. */
  readonly path: string
  readonly type: WireType
  readonly isPresent: boolean
  readonly isNullable: boolean
  /** Whether a writer may be given no value. */
  readonly isOptional: boolean
  readonly tag: number | undefined
  /** What it is where it is absent or left out. */
  readonly default: unknown
}

export type WireType =
  | { readonly kind: PrimitiveKind; readonly saturating: boolean }
  | { readonly kind: 'array'; readonly element: WireType }
  | { readonly kind: 'struct'; readonly fields: readonly WireField[] }

/** What a declaration comes to in `version`. */
export function atVersion(message: Message<Shape>, version: number): WireMessage {
  return {
    name: `${message.name} v${version}`,
    isFlexible: version >= message.flexible,
    fields: wireFields(message.fields, version, ''),
  }
}

/** The default of a field: its own, or null where it may always be null, or that of its type. */
export function defaultOf(field: Field<unknown, unknown, boolean>): unknown {
  const { presence, type } = field
  if (presence.default !== undefined) return presence.default
  return presence.nullableSince <= presence.since ? null : defaultOfType(type)
}

function defaultOfType(type: Type): unknown {
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
      return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, defaultOf(field)]))
    default:
      return 0
  }
}

function wireFields(shape: Shape, version: number, prefix: string): WireField[] {
  return Object.entries(shape).map(([name, field]) => {
    const { presence } = field
    const path = prefix + name
    return {
      name,
      path,
      type: wireType(field.type, version, path),
      isPresent: version >= presence.since && version <= presence.until,
      isNullable: version >= presence.nullableSince,
      isOptional: isOptional(presence),
      tag: presence.tag,
      default: defaultOf(field),
    }
  })
}

/** Says at run time what the type parameter `Optional` of the field says. */
function isOptional({ since, until, tag, default: value }: Presence): boolean {
  return value !== undefined || since > 0 || until < Number.POSITIVE_INFINITY || tag !== undefined
}

function wireType(type: Type, version: number, path: string): WireType {
  switch (type.kind) {
    case 'array':
      return { kind: 'array', element: wireType(type.element, version, `${path}[]`) }
    case 'struct':
      return { kind: 'struct', fields: wireFields(type.fields, version, `${path}.`) }
    default:
      return { kind: type.kind, saturating: type.saturating === true }
  }
}

/** The bytes of a type whose size never varies, or undefined. */
export function fixedSize(kind: WireType['kind']): number | undefined {
  switch (kind) {
    case 'boolean':
    case 'int8':
      return 1
    case 'int16':
    case 'uint16':
      return 2
    case 'int32':
      return 4
    case 'int64':
    case 'float64':
      return 8
    case 'uuid':
      return 16
    default:
      return undefined
  }
}

/** The fields of a struct that lie in its body, and those in its tagged section, in ascending order of tag. */
export function bodyAndTagged(fields: readonly WireField[]): { body: WireField[]; tagged: TaggedField[] } {
  const body: WireField[] = []
  const tagged: TaggedField[] = []
  for (const field of fields) {
    if (!field.isPresent) continue
    if (field.tag === undefined) body.push(field)
    else tagged.push({ ...field, tag: field.tag })
  }
  return { body, tagged: tagged.sort((a, b) => a.tag - b.tag) }
}

export type TaggedField = WireField & { readonly tag: number }

/**
 * The least bytes a type takes: its own where the size is fixed (`exact`), else with everything empty.
 * The bytes left in a frame divided by it bound the elements an array can have.
 */
export function leastSize(type: WireType, isFlexible: boolean): { size: number; exact: boolean } {
  const fixed = fixedSize(type.kind)
  if (fixed !== undefined) return { size: fixed, exact: true }
  if (type.kind === 'struct') {
    let size = isFlexible ? 1 : 0
    let exact = !isFlexible
    for (const field of bodyAndTagged(type.fields).body) {
      const isNullableStruct = field.type.kind === 'struct' && field.isNullable
      const least = isNullableStruct ? { size: 1, exact: false } : leastSize(field.type, isFlexible)
      size += least.size
      exact &&= least.exact
    }
    return { size, exact }
  }
  return { size: lengthSize(type.kind, isFlexible), exact: false }
}

/** The least bytes of the length or count before a string, bytes, records or array. */
export function lengthSize(kind: WireType['kind'], isFlexible: boolean): number {
  if (isFlexible) return 1
  return kind === 'string' ? 2 : 4
}
