import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { AnyApi, Api, DecodedOf, EncodableOf } from '../protocol/api.js'
import type { Shape } from '../protocol/schema.js'
import type { Cluster } from '../state/cluster.js'
import type { Coordinator } from '../state/groups/coordinator.js'
import type { Steering } from '../state/steering/steering.js'
import type { SaslSession } from './sasl.js'
import type { ServerConfig } from './server-config.js'

/** What a handler works with besides the request. */
export interface RequestContext {
  readonly cluster: Cluster
  readonly groups: Coordinator
  readonly config: ServerConfig
  /** Not there if clients are told of this instance alone. */
  readonly steering?: Steering | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly apiVersion: number
  /** As the client calls itself; empty when it doesn't. */
  readonly clientId: string
  /** The client's address as Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string
  /** Aborted when the connection closes or is about to: who waits for something stops waiting. */
  readonly signal: AbortSignal
  /** How far this connection's authentication has come. */
  readonly sasl: SaslSession
  /** The APIs this server answers, in ascending order of their keys. */
  readonly served: readonly AnyApi[]
  /**
   * Lets the connection's next request start before this one is answered. Called once the order of this request
   * among its connection's requests no longer matters, or is fixed. Answers keep the order of the requests.
   */
  proceed(): void
  /**
   * Resolves when all earlier requests of the connection are answered and the client is reading its answers;
   * undefined when that is so already. Whoever waited after `proceed()` asks before it gathers a large answer.
   */
  turn(): Promise<void> | undefined
  /** How many bytes of records the answer should hold at most, so that slow readers don't fill the memory. */
  readonly answerBytesMax: number
  /**
   * Has `done` called, once, as soon as what the answer consists of is no longer used: it has been handed to the system, or it
   * will not be sent.
   */
  whenSent(done: () => void): void
  /** Closes the connection once this request is answered. */
  hangUp(): void
  /** Has `giveUp` called so many milliseconds after the request began, unless it is answered by then. Called at most once. */
  expectWithin(ms: number, giveUp: () => void): void
}

/** A handler's answer; `null` when the client expects none (Produce with acks 0). */
export type Answer<Response extends Shape> = EncodableOf<Api<Shape, Response>['response']> | null

/** What an API does. */
export type Handle<Request extends Shape, Response extends Shape> = (
  request: DecodedOf<Api<Request, Response>['request']>,
  context: RequestContext,
) => Answer<Response> | Promise<Answer<Response>>

/** One row of the table of what is served: an API and what it does, where the messages' types no longer matter. */
export interface Handler {
  readonly api: AnyApi
  run(request: unknown, context: RequestContext): unknown
  /** Whether the request's bytes are not used any more once it is answered, but for those that are pinned. */
  readonly keepsNothing: boolean
  /** The answer to a request that failed because this instance is unavailable; without one the connection is closed. */
  readonly unavailable: ((request: unknown, context: RequestContext) => unknown) | undefined
}

/**
 * Declares what an API does. The answer has one shape, whatever version the client speaks.
 *
 * A handler may throw `UnavailableError`: the client then gets `unavailable`'s answer, which must carry an error
 * that clients retry; where the API has no place for one, the connection is closed and the client comes again.
 */
export function handle<Request extends Shape, Response extends Shape>(
  api: Api<Request, Response>,
  run: Handle<Request, Response>,
  unavailable?: (request: DecodedOf<Api<Request, Response>['request']>, context: RequestContext) => Answer<Response>,
  { keepsNothing = false } = {},
): Handler {
  // The dispatcher decodes each request with the same API's declaration, so the types fit although it can't see them.
  return { api, run, unavailable, keepsNothing } as unknown as Handler
}
