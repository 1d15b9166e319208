/**
 * The vocabulary in which messages are declared as data. One declaration covers every version of a message;
 * `compile.ts` makes a reader and a writer of it for one version, and the static types are inferred from it.
 */

/** Fixed-size and length-prefixed types of the Kafka protocol that hold no other fields. */
export type PrimitiveKind =
  | 'boolean'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint16'
  | 'float64'
  | 'string'
  | 'bytes'
  | 'records'
  | 'uuid'

/** What a field holds, without its name and its versions. */
export type Type =
  | { readonly kind: PrimitiveKind; readonly saturating?: boolean }
  | { readonly kind: 'array'; readonly element: Type }
  | { readonly kind: 'struct'; readonly fields: Shape }

/** The fields of a message or struct, in the order of the wire. */
export type Shape = Readonly<Record<string, Field<unknown, unknown, boolean>>>

/** In which versions a field is there, and how. */
export interface Presence {
  /** First and last version (inclusive) that carry the field. */
  readonly since: number
  readonly until: number
  /** First version in which the field may be null. */
  readonly nullableSince: number
  /** The tag of a tagged field (KIP-482). */
  readonly tag: number | undefined
  /** What a reader sees where the field is absent; undefined for the default of the type. */
  readonly default: unknown
}

/**
 * A field of a message. `Decoded` is what a reader gives, `Encodable` what a writer takes, `Optional` whether a
 * writer may be given no value: fields with a default, tagged fields, and fields that not every version has.
 */
export class Field<Decoded, Encodable = Decoded, Optional extends boolean = false> {
  declare readonly inferred: { decoded: Decoded; encodable: Encodable; optional: Optional }
  readonly type: Type
  readonly presence: Presence

  constructor(type: Type, presence: Presence = always) {
    this.type = type
    this.presence = presence
  }

  /** The field is there from `version` on. */
  since(version: number): Field<Decoded, Encodable, true> {
    return new Field(this.type, { ...this.presence, since: version })
  }

  /** The field is there up to `version`, inclusive. */
  until(version: number): Field<Decoded, Encodable, true> {
    return new Field(this.type, { ...this.presence, until: version })
  }

  /** The field may be null from `version` on. One that always may, is null where it is absent, unless it says otherwise. */
  orNull(version = 0): Field<Decoded | null, Encodable | null, Optional> {
    return new Field(this.type, { ...this.presence, nullableSince: version })
  }

  /** The value of the field where it is absent. */
  default(value: Decoded): Field<Decoded, Encodable, true> {
    return new Field(this.type, { ...this.presence, default: value })
  }

  /** The field travels in the tagged section of its struct, from `version` on, and only when it isn't its default. */
  tagged(tag: number, version = 0): Field<Decoded, Encodable, true> {
    return new Field(this.type, { ...this.presence, tag, since: version })
  }
}

const always: Presence = {
  since: 0,
  until: Number.POSITIVE_INFINITY,
  nullableSince: Number.POSITIVE_INFINITY,
  tag: undefined,
  default: undefined,
}

export const boolean = new Field<boolean>({ kind: 'boolean' })
export const int8 = new Field<number>({ kind: 'int8' })
export const int16 = new Field<number>({ kind: 'int16' })
export const uint16 = new Field<number>({ kind: 'uint16' })
export const int32 = new Field<number>({ kind: 'int32' })
/** A 64-bit integer, as a safe integer; others are refused. */
export const int64 = new Field<number>({ kind: 'int64' })
/**
 * A 64-bit integer in which clients do send `Long.MAX_VALUE` and its like, meaning "beyond any": what is not a safe
 * integer is read as ±Infinity, and ±Infinity is written as the largest and the smallest 64-bit integer.
 */
export const int64Saturating = new Field<number>({ kind: 'int64', saturating: true })
export const float64 = new Field<number>({ kind: 'float64' })
export const string = new Field<string>({ kind: 'string' })
/** Bytes; a reader gives a view into the frame. */
export const bytes = new Field<Buffer>({ kind: 'bytes' })
/** Record batches: a reader gives a view into the frame, a writer takes pieces, which it does not copy. */
export const records = new Field<Buffer, readonly Buffer[]>({ kind: 'records' })
/** A UUID, as 32 lower-case hexadecimal digits without dashes. */
export const uuid = new Field<string>({ kind: 'uuid' })

/** The UUID that Kafka writes for "none". */
export const ZERO_UUID = '0'.repeat(32)

/** Fields within a field. */
export function struct<S extends Shape>(fields: S): Field<Decoded<S>, Encodable<S>> {
  return new Field({ kind: 'struct', fields })
}

/** A list of structs, or of values of one primitive type. */
export function array<D, E, O extends boolean>(element: Field<D, E, O>): Field<D[], readonly E[]>
export function array<S extends Shape>(element: S): Field<Decoded<S>[], readonly Encodable<S>[]>
export function array(element: Field<unknown> | Shape): Field<unknown[], readonly unknown[]> {
  return new Field({
    kind: 'array',
    element: element instanceof Field ? element.type : { kind: 'struct', fields: element },
  })
}

/** What a reader gives for a shape: every field, in every version. */
export type Decoded<S extends Shape> = { -readonly [K in keyof S]: S[K]['inferred']['decoded'] }

/** What a writer takes for a shape. */
export type Encodable<S extends Shape> = Flat<
  { readonly [K in RequiredKeys<S>]: S[K]['inferred']['encodable'] } & {
    readonly [K in Exclude<keyof S, RequiredKeys<S>>]?: S[K]['inferred']['encodable'] | undefined
  }
>

type RequiredKeys<S extends Shape> = {
  [K in keyof S]: S[K]['inferred']['optional'] extends true ? never : K
}[keyof S]

type Flat<T> = { [K in keyof T]: T[K] }
