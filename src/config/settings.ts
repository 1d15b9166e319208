import { z } from 'zod'
import { type SectionName, sections } from './schema.js'

/** One setting as the table in `schema.ts` declares it. */
export interface Setting {
  readonly section: SectionName
  readonly key: string
  /** The variable that sets it, such as `HERACLITUS_STORAGE_URL`. */
  readonly variable: string
  readonly type: 'integer' | 'boolean' | 'string'
  readonly default: number | boolean | string | undefined
  readonly description: string
  /** What happens when it is not set and has no default. */
  readonly unset: string | undefined
  /** A value to show behind the key when it has no default. */
  readonly sample: number | boolean | string | undefined
  /** What an error line says was expected. */
  readonly expected: string
  /** Its value is never shown. */
  readonly secret: boolean
}

/** Every setting, in the order of the file. */
export const settings: readonly Setting[] = Object.entries(sections).flatMap(
  ([section, { schema, environmentPrefix }]) =>
    Object.entries(z.toJSONSchema(schema, { io: 'input' }).properties ?? {}).map(([key, property]) =>
      settingOf(section as SectionName, key, environmentPrefix + key.toUpperCase(), property as Property),
    ),
)

/** The part of JSON Schema that our settings use, and their own meta (see `schema.ts`). */
interface Property {
  type: 'integer' | 'boolean' | 'string'
  minimum?: number
  maximum?: number
  enum?: string[]
  default?: number | boolean | string
  description: string
  expected?: string
  unset?: string
  sample?: number | boolean | string
  secret?: boolean
}

function settingOf(section: SectionName, key: string, variable: string, property: Property): Setting {
  return {
    section,
    key,
    variable,
    type: property.type,
    default: property.default,
    description: property.description,
    unset: property.unset,
    sample: property.sample,
    expected: property.expected ?? expectation(property),
    secret: property.secret ?? false,
  }
}

function expectation(property: Property): string {
  if (property.enum) return `one of ${property.enum.map((value) => JSON.stringify(value)).join(', ')}`
  if (property.type === 'boolean') return 'true or false'
  if (property.type === 'integer') return `an integer from ${property.minimum} to ${property.maximum}`
  return 'a text that is not empty'
}
