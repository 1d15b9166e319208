import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { AnyApi } from '../protocol/api.js'
import type { RequestHeader } from '../protocol/frame.js'
import type { Cluster } from '../state/cluster.js'
import type { Coordinator } from '../state/groups/coordinator.js'
import type { Steering } from '../state/steering/steering.js'
import type { AnswerWriter } from './answer-writer.js'
import type { Connection } from './connection.js'
import type { Deadline } from './deadlines.js'
import type { Route } from './dispatch.js'
import type { RequestContext } from './handler.js'
import type { SaslSession } from './sasl.js'
import type { ServerConfig } from './server-config.js'
import type { Services } from './services.js'

/** One request of a connection, from its start to its answer; a link in the connection's queue of answers. */
export class Exchange implements RequestContext {
  readonly route: Route
  readonly request: unknown
  readonly apiVersion: number
  readonly clientId: string
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
  readonly #services: Services
  #deadline: Deadline | undefined = undefined
  #turn: PromiseWithResolver | undefined = undefined

  constructor(
    connection: Connection,
    services: Services,
    route: Route,
    header: RequestHeader,
    request: unknown,
    frame: Buffer,
    startedAtMs: number,
  ) {
    this.route = route
    this.request = request
    this.apiVersion = header.apiVersion
    this.clientId = header.clientId ?? ''
    this.correlationId = header.correlationId
    this.frame = frame
    this.startedAtMs = startedAtMs
    this.#connection = connection
    this.#services = services
  }

  get cluster(): Cluster {
    return this.#services.cluster
  }

  get groups(): Coordinator {
    return this.#services.groups
  }

  get config(): ServerConfig {
    return this.#services.config
  }

  get steering(): Steering | undefined {
    return this.#services.steering
  }

  get clock(): Clock {
    return this.#services.clock
  }

  get random(): Random {
    return this.#services.random
  }

  get log(): Log {
    return this.#services.log
  }

  get served(): readonly AnyApi[] {
    return this.#services.dispatcher.served
  }

  get clientHost(): string {
    return this.#connection.clientHost
  }

  get signal(): AbortSignal {
    return this.#connection.signal
  }

  get sasl(): SaslSession {
    return this.#connection.sasl
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

  expectWithin(ms: number, giveUp: () => void): void {
    this.#deadline = this.#services.deadlines.add(this.startedAtMs + ms, giveUp)
  }

  /** Sends the answer, if there is one. */
  send(writer: AnswerWriter): void {
    if (this.chunks === undefined) this.drop()
    else writer.write(this.chunks, this.onSent)
  }

  /** What it would have answered is not sent. */
  drop(): void {
    this.chunks = undefined
    const done = this.onSent
    this.onSent = undefined
    done?.()
  }

  /** It has its answer, or will never have one. */
  settle(): void {
    this.isDone = true
    if (this.#deadline !== undefined) this.#services.deadlines.withdraw(this.#deadline)
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
