import type { AnyApi } from '../protocol/api.js'
import type { Shape, Type } from '../protocol/schema.js'
import { errorFinder } from './error-finder.js'
import type { FramePlace } from './frame-reader.js'
import type { Handler } from './handler.js'

/** A handler, and what the server keeps beside it. */
export interface Route {
  readonly handler: Handler
  readonly api: AnyApi
  /** The first error in an answer of this API, or 0. */
  readonly errorIn: (answer: unknown) => number
  /** Where its requests are to be while they are served. */
  readonly place: FramePlace
}

/**
 * Finds the handler of a request. The handlers themselves are all there is: what has none is not served, and not
 * advertised; which versions are served is what their APIs declare.
 */
export class Dispatcher {
  /** The APIs that are served, in ascending order of their keys. */
  readonly served: readonly AnyApi[]
  readonly #routes: (Route | undefined)[] = []

  constructor(handlers: readonly Handler[]) {
    for (const handler of handlers) {
      const { api } = handler
      if (this.#routes[api.key] !== undefined) throw new RangeError(`two handlers for ${api.name}`)
      const place = placeOf(handler)
      this.#routes[api.key] = { handler, api, errorIn: errorFinder(api.response.fields), place }
    }
    this.served = handlers.map((handler) => handler.api).sort((a, b) => a.key - b.key)
  }

  /** Where requests of an API are to be, whatever their version; one that is not served is refused. */
  placeOf(apiKey: number): FramePlace {
    return this.#routes[apiKey]?.place ?? 'kept'
  }

  /** Undefined for an API that is not served. */
  route(apiKey: number): Route | undefined {
    return this.#routes[apiKey]
  }
}

/** Of a request without fields of bytes nothing is left in its frame once it is decoded. */
function placeOf({ api, keepsNothing }: Handler): FramePlace {
  if (!hasBytes(api.request.fields)) return 'asReceived'
  return keepsNothing ? 'pinned' : 'kept'
}

function hasBytes(shape: Shape): boolean {
  return Object.values(shape).some(({ type }) => isOfBytes(type))
}

function isOfBytes(type: Type): boolean {
  if (type.kind === 'array') return isOfBytes(type.element)
  return type.kind === 'struct' ? hasBytes(type.fields) : type.kind === 'bytes' || type.kind === 'records'
}
