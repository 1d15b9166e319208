import type { AnyApi } from '../protocol/api.js'
import { errorFinder } from './error-finder.js'
import type { Handler } from './handler.js'

/** A handler, and what the server keeps beside it. */
export interface Route {
  readonly handler: Handler
  readonly api: AnyApi
  /** The first error in an answer of this API, or 0. */
  readonly errorIn: (answer: unknown) => number
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
      this.#routes[api.key] = { handler, api, errorIn: errorFinder(api.response.fields) }
    }
    this.served = handlers.map((handler) => handler.api).sort((a, b) => a.key - b.key)
  }

  /** Undefined for an API that is not served. */
  route(apiKey: number): Route | undefined {
    return this.#routes[apiKey]
  }
}
