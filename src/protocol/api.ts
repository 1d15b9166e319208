import type { Decoded, Encodable, Shape } from './schema.js'
import type { Writer } from './writer.js'

/** Reads one message of one version from `buffer`, which holds it from `start` up to, exactly, `end`. */
export type Read<S extends Shape> = (buffer: Buffer, start: number, end: number) => Decoded<S>

/** Writes one message of one version. */
export type Write<S extends Shape> = (writer: Writer, message: Encodable<S>) => void

/** The request or the response of an API, over all its versions. */
export interface Message<S extends Shape> {
  /** For errors: 'Fetch request'. */
  readonly name: string
  readonly fields: S
  readonly versions: VersionRange
  /** The first version with compact lengths and tagged fields (KIP-482); Infinity when there is none. */
  readonly flexible: number
  /** The readers and writers that `compile.ts` made of it, by version. */
  readonly compiled: {
    readonly readers: unknown[]
    readonly tolerantReaders: unknown[]
    readonly writers: unknown[]
  }
}

/** First and last version, both inclusive. */
export type VersionRange = readonly [min: number, max: number]

/** One API of the Kafka protocol: its key, and both its messages. */
export interface Api<Request extends Shape, Response extends Shape> {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  /** The lowest version told to clients, where it isn't the lowest that is accepted. */
  readonly advertisedFrom: number
  readonly flexible: number
  readonly request: Message<Request>
  readonly response: Message<Response>
}

/** Any API, where its messages don't matter. */
export type AnyApi = Api<Shape, Shape>

/** What a reader gives for a message: every field, in every version. */
export type DecodedOf<M extends { readonly fields: Shape }> = Decoded<M['fields']>

/** What a writer takes for a message: fields with a default, or that not every version has, may be left out. */
export type EncodableOf<M extends { readonly fields: Shape }> = Encodable<M['fields']>

/** What the declaration of an API says. */
export interface Declaration<Request extends Shape, Response extends Shape> {
  readonly versions: VersionRange
  readonly advertisedFrom?: number
  /** The first flexible version; left out when there is none. */
  readonly flexible?: number
  readonly request: Request
  readonly response: Response
}

/** Declares an API. */
export function api<Request extends Shape, Response extends Shape>(
  key: number,
  name: string,
  declaration: Declaration<Request, Response>,
): Api<Request, Response> {
  const { versions, flexible = Number.POSITIVE_INFINITY } = declaration
  const message = <S extends Shape>(kind: string, fields: S): Message<S> => ({
    name: `${name} ${kind}`,
    fields,
    versions,
    flexible,
    compiled: { readers: [], tolerantReaders: [], writers: [] },
  })
  return {
    key,
    name,
    versions,
    advertisedFrom: declaration.advertisedFrom ?? versions[0],
    flexible,
    request: message('request', declaration.request),
    response: message('response', declaration.response),
  }
}
