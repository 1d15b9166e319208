import type { Message } from '../../src/protocol/api.js'
import type { Shape, Type } from '../../src/protocol/schema.js'
import { absent, isNullable, isPresent } from './oracle.js'

/**
 * Two ways to the same text: a line for each field that a message has on the wire in one version, from Kafka's JSON
 * definition and from our declaration.
 */

/** A message as Kafka defines it (`common/message/*.json` in kafka-clients). */
export interface Definition {
  readonly apiKey: number
  readonly name: string
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly fields: readonly DefinedField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly DefinedField[] }[]
}

interface DefinedField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly default?: string | number | boolean
  readonly tag?: number
  readonly taggedVersions?: string
  readonly flexibleVersions?: string
  readonly fields?: readonly DefinedField[]
}

/** Reads one of Kafka's definitions: JSON with comments on lines of their own. */
export function parseDefinition(text: string): Definition {
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, '')) as Definition
}

/** Reads '3', '3+', '3-5' or 'none'. */
export function parseRange(text: string | undefined): [min: number, max: number] {
  const match = /^(\d+)(\+|-(\d+))?$/.exec(text ?? 'none')
  if (match === null) return [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const min = Number(match[1])
  if (match[2] === undefined) return [min, min]
  return [min, match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3])]
}

/** The lines of Kafka's definition in `version`. */
export function definedLines(definition: Definition, version: number): string[] {
  const structs = new Map(definition.commonStructs?.map(({ name, fields }) => [name, fields]))
  const within = (range: string | undefined) => {
    const [min, max] = parseRange(range)
    return version >= min && version <= max
  }
  const lines = (fields: readonly DefinedField[], prefix: string): string[] =>
    fields
      .filter((field) => within(field.versions))
      .flatMap((field) => {
        const path = prefix + lowerFirst(field.name)
        const isArray = field.type.startsWith('[]')
        const name = isArray ? field.type.slice(2) : field.type
        const inner = field.fields ?? structs.get(name)
        const kind = inner === undefined ? primitive(name) : 'struct'
        const nullable = within(field.nullableVersions)
        const tag = within(field.taggedVersions) ? field.tag : undefined
        const [nullableMin] = parseRange(field.nullableVersions)
        const [min] = parseRange(field.versions)
        const value = field.default === undefined ? undefined : definedDefault(kind, isArray, String(field.default))
        const standard = value === undefined ? implicitDefault(kind, isArray, nullableMin <= min) : value
        return [
          line(path, isArray ? `[]${kind}` : kind, nullable, tag, standard, field.flexibleVersions === 'none'),
          ...(inner === undefined ? [] : lines(inner, isArray ? `${path}[].` : `${path}.`)),
        ]
      })
  return lines(definition.fields, '')
}

/** The lines of our declaration in `version`. */
export function declaredLines(message: Message<Shape>, version: number): string[] {
  const lines = (shape: Shape, prefix: string): string[] =>
    Object.entries(shape)
      .filter(([, field]) => isPresent(field.presence, version))
      .flatMap(([name, field]) => {
        const path = prefix + name
        const { type, presence } = field
        const isArray = type.kind === 'array'
        const element: Type = isArray ? type.element : type
        const standard = element.kind === 'struct' && !isArray && presence.default === undefined ? {} : absent(field)
        return [
          line(
            path,
            isArray ? `[]${element.kind}` : element.kind,
            isNullable(presence, version),
            presence.tag,
            standard,
          ),
          ...(element.kind === 'struct' ? lines(element.fields, isArray ? `${path}[].` : `${path}.`) : []),
        ]
      })
  return lines(message.fields, '')
}

function line(
  path: string,
  type: string,
  nullable: boolean,
  tag: number | undefined,
  standard: unknown,
  isNeverFlexible = false,
): string {
  const value = Number.isFinite(standard) || typeof standard !== 'number' ? JSON.stringify(standard) : String(standard)
  const tagged = tag === undefined ? '' : ` tag ${tag}`
  return `${path}: ${type}${nullable ? ' or null' : ''}${tagged}, default ${value}${isNeverFlexible ? ' not flexible' : ''}`
}

function primitive(name: string): string {
  return name === 'bool' ? 'boolean' : name
}

function definedDefault(kind: string, isArray: boolean, text: string): unknown {
  if (text === 'null') return null
  if (isArray) return []
  if (kind === 'boolean') return text === 'true'
  if (kind === 'string') return text
  const value = Number(text)
  return Math.abs(value) > Number.MAX_SAFE_INTEGER ? Math.sign(value) * Number.POSITIVE_INFINITY : value
}

/**
 * The default where Kafka states none. Where null is allowed from the start it is null: Kafka's generator says '' or
 * [] there, but its brokers set such fields always, to null when there is nothing to say, and so a handler of ours
 * may leave them out. No request depends on it: none has such a field that a version lacks.
 */
function implicitDefault(kind: string, isArray: boolean, isAlwaysNullable: boolean): unknown {
  if (isAlwaysNullable) return null
  if (isArray) return []
  switch (kind) {
    case 'boolean':
      return false
    case 'string':
      return ''
    case 'uuid':
      return '0'.repeat(32)
    case 'bytes':
    case 'records':
      return Buffer.alloc(0)
    case 'struct':
      return {}
    default:
      return 0
  }
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}
