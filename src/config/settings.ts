import * as z from 'zod'
import { type SectionName, sections } from './schema.js'

type Type = 'integer' | 'boolean' | 'string'

/** One setting as the table in `schema.ts` declares it. What only people read is worked out when it is asked for. */
export class Setting {
  readonly section: SectionName
  readonly key: string
  /** The variable that sets it, such as `HERACLITUS_STORAGE_URL`. */
  readonly variable: string
  readonly type: Type
  readonly #schema: z.ZodType
  readonly #property: () => Property

  constructor(section: SectionName, key: string, schema: z.ZodType, property: () => Property) {
    this.section = section
    this.key = key
    this.variable = sections[section].environmentPrefix + key.toUpperCase()
    this.type = typeOf(schema)
    this.#schema = schema
    this.#property = property
  }

  /** Whether it can have that value. */
  accepts(value: unknown): boolean {
    return this.#schema.safeParse(value).success
  }

  get default(): number | boolean | string | undefined {
    return this.#property().default
  }

  get description(): string {
    return this.#property().description
  }

  /** What happens when it is not set and has no default. */
  get unset(): string | undefined {
    return this.#property().unset
  }

  /** A value to show behind the key when it has no default. */
  get sample(): number | boolean | string | undefined {
    return this.#property().sample
  }

  /** What an error line says was expected. */
  get expected(): string {
    const property = this.#property()
    return property.expected ?? expectation(property, this.type)
  }

  /** Its value is never shown. */
  get secret(): boolean {
    return this.#property().secret ?? false
  }
}
/** Every setting, in the order of the file. */
export const settings: readonly Setting[] = (Object.keys(sections) as SectionName[]).flatMap(settingsOf)

/** The part of JSON Schema that our settings use, and their own meta (see `schema.ts`). */
interface Property {
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

function settingsOf(section: SectionName): Setting[] {
  const { schema } = sections[section]
  let properties: Record<string, Property> | undefined
  const property = (key: string): Property => {
    properties ??= z.toJSONSchema(schema, { io: 'input' }).properties as unknown as Record<string, Property>
    const found = properties[key]
    if (found === undefined) throw new TypeError(`no setting ${section}.${key}`)
    return found
  }
  return Object.entries(schema.shape).map(([key, value]) => new Setting(section, key, value, () => property(key)))
}

function typeOf(schema: z.core.$ZodType): Type {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return typeOf(schema.unwrap())
  if (schema instanceof z.ZodNumber) return 'integer'
  return schema instanceof z.ZodBoolean ? 'boolean' : 'string'
}

function expectation({ enum: values, minimum, maximum }: Property, type: Type): string {
  if (values) return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`
  if (type === 'boolean') return 'true or false'
  if (type === 'integer') return `an integer from ${minimum} to ${maximum}`
  return 'a text that is not empty'
}
