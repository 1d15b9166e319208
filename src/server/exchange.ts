import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { AnyApi } from '../protocol/api.js'
import type { RequestHeader } from '../protocol/frame.js'
import type { Cluster } from '../state/cluster.js'
import type { Coordinator } from '../state/groups/coordinator.js'
import type { Steering } from '../state/steering/steering.js'
import type { Connection } from './connection.js'
import type { Route } from './dispatch.js'
import type { RequestContext } from './handler.js'
import type { SaslSession } from './sasl.js'
import type { ServerConfig } from './server-config.js'
import type { Services } from './services.js'

/** One request of a connection, from its start to its answer; a link in the connection's queue of answers. */
export class Exchange implements RequestContext {
  readonly cluster: Cluster
  readonly groups: Coordinator
  readonly config: ServerConfig
  readonly steering: Steering | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly served: readonly AnyApi[]
  readonly clientHost: string
  readonly signal: AbortSignal
  readonly sasl: SaslSession
  readonly apiVersion: number
  readonly clientId: string

  readonly route: Route
  readonly request: unknown
  readonly correlationId: number
  readonly frame: Buffer
  readonly startedAtMs: number
  next: Exchange | undefined = undefined
  isDone = false
  hangsUp = false
  /** The answer's frame; none when the client expects no answer. */
  chunks: Buffer[] | undefined = undefined
  onSent: (() => void) | undefined = undefined
  readonly #connection: Connection
  #turn: PromiseWithResolver | undefined = undefined

  constructor(
    connection: Connection,
    services: Services,
    route: Route,
    header: RequestHeader,
    request: unknown,
    frame: Buffer,
  ) {
    this.cluster = services.cluster
    this.groups = services.groups
    this.config = services.config
    this.steering = services.steering
    this.clock = services.clock
    this.random = services.random
    this.log = services.log
    this.served = services.dispatcher.served
    this.clientHost = connection.clientHost
    this.signal = connection.signal
    this.sasl = connection.sasl
    this.apiVersion = header.apiVersion
    this.clientId = header.clientId ?? ''
    this.route = route
    this.request = request
    this.correlationId = header.correlationId
    this.frame = frame
    this.startedAtMs = services.clock.monotonic()
    this.#connection = connection
  }

  get requestBytes(): number {
    return this.frame.length
  }

  get answerBytesMax(): number {
    return this.#connection.answerBytesMax
  }

  proceed(): void {
    this.#connection.proceed(this)
  }

  turn(): Promise<void> | undefined {
    if (this.#connection.isTurnOf(this)) return undefined
    this.#turn ??= promiseWithResolver()
    return this.#turn.promise
  }

  whenSent(done: () => void): void {
    this.onSent = done
  }

  hangUp(): void {
    this.hangsUp = true
  }

  /** Tells the handler that it is its turn, if it waits for it. */
  giveTurn(): void {
    this.#turn?.resolve()
  }
}

interface PromiseWithResolver {
  promise: Promise<void>
  resolve(): void
}

function promiseWithResolver(): PromiseWithResolver {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
