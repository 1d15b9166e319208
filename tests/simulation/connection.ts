import type { Timer } from '../../src/base/clock.js'
import { messageOf } from '../../src/base/errors.js'
import type { Random } from '../../src/base/random.js'
import type { Handler, RequestContext } from '../../src/server/handler.js'
import type { SaslSession } from '../../src/server/sasl.js'
import { plainServerConfig } from '../support/plain-server-config.js'
import type { History } from './history.js'
import type { SimulatedInstance } from './instance.js'
import type { VirtualClock } from './virtual-clock.js'

/** The connection is gone: what was asked on it may have happened or not. */
export class ConnectionLost extends Error {}

/** One way over the network takes up to so long, milliseconds. */
const wayMs = 4

/** Errors by which a gateway that can't serve closes a connection. */
const unavailableNames = new Set(['UnavailableError', 'OverloadedError', 'StoreError'])

/** One request, on the side of the instance. */
interface Exchange {
  begin(): Promise<() => void>
  /** Sends the answer off. */
  send(answer: () => void): void
  hasProceeded: boolean
  answer: (() => void) | undefined
  onTurn: (() => void) | undefined
  onSent: (() => void) | undefined
  deadline: Timer | undefined
}

/**
 * A client's connection to an instance. Requests arrive in order; each begins when the one before has its place
 * fixed (`proceed`) or is answered, and answers keep their order, as `server/connection.ts` does it.
 */
export class Connection {
  readonly instance: SimulatedInstance
  readonly #world: VirtualClock
  readonly #random: Random
  readonly #history: History
  readonly #abort = new AbortController()
  /** Begun and not yet answered, then waiting to begin. */
  readonly #exchanges: Exchange[] = []
  readonly #losses = new Set<() => void>()
  #begun = 0
  #lastArrivalMs = 0
  #lastAnswerMs = 0
  #isOpen = true

  constructor(options: { instance: SimulatedInstance; world: VirtualClock; random: Random; history: History }) {
    this.instance = options.instance
    this.#world = options.world
    this.#random = options.random
    this.#history = options.history
    this.instance.connections.add(this)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * Asks; gives up, and closes the connection, after `timeoutMs`.
   * @throws ConnectionLost
   */
  call<Answer>(ask: (context: RequestContext) => Answer | Promise<Answer>, timeoutMs: number, apiVersion = 0) {
    return new Promise<Answer>((resolve, reject) => {
      const lose = () => {
        this.#losses.delete(lose)
        timer.cancel()
        reject(new ConnectionLost('connection lost'))
      }
      const timer = this.#world.after(timeoutMs, () => this.close())
      this.#losses.add(lose)
      if (!this.#isOpen) return lose()
      const exchange: Exchange = {
        begin: async () => {
          const answer = await ask(this.#context(exchange, apiVersion))
          return () => resolve(answer)
        },
        send: (answer) => {
          this.#lastAnswerMs = this.#later(this.#lastAnswerMs, () => {
            // The client copies what it gets before anything else happens.
            if (exchange.onSent !== undefined) this.#world.after(0, exchange.onSent)
            if (!this.#losses.delete(lose)) return
            timer.cancel()
            answer()
          })
        },
        hasProceeded: false,
        answer: undefined,
        onTurn: undefined,
        onSent: undefined,
        deadline: undefined,
      }
      this.#lastArrivalMs = this.#later(this.#lastArrivalMs, () =>
        this.instance.process.deliver(() => this.#arrive(exchange)),
      )
    })
  }

  /** Sends a request to its handler. */
  send<Answer>(handler: Handler, request: unknown, apiVersion: number, timeoutMs: number): Promise<Answer> {
    const ask = async (context: RequestContext) => {
      try {
        return (await handler.run(request, context)) as Answer
      } catch (error) {
        if (!isUnavailable(error) || handler.unavailable === undefined) throw error
        return handler.unavailable(request, context) as Answer
      }
    }
    return this.call(ask, timeoutMs, apiVersion)
  }

  /** The client closes it. */
  close(): void {
    if (!this.#isOpen) return
    this.#lose()
    this.#world.after(this.#random.next() * wayMs, () => this.instance.process.deliver(() => this.#abort.abort()))
  }

  /** The other side is gone, and the client hears of it. */
  reset(): void {
    this.#world.after(this.#random.next() * wayMs, () => this.#lose())
  }

  #lose(): void {
    this.#isOpen = false
    this.instance.connections.delete(this)
    for (const lose of [...this.#losses]) lose()
  }

  /** Runs `task` after some time on the way, but not before what was sent earlier. */
  #later(notBeforeMs: number, task: () => void): number {
    const now = this.#world.monotonic()
    const atMs = Math.max(now + this.#random.next() * wayMs, notBeforeMs)
    this.#world.after(atMs - now, task)
    return atMs
  }

  #arrive(exchange: Exchange): void {
    if (this.#abort.signal.aborted) return
    this.#exchanges.push(exchange)
    this.#begin()
  }

  #begin(): void {
    while (this.#begun < this.#exchanges.length) {
      const last = this.#exchanges[this.#begun - 1]
      if (last !== undefined && !last.hasProceeded && last.answer === undefined) return
      const exchange = this.#exchanges[this.#begun++] as Exchange
      exchange.begin().then(
        (answer) => this.#answered(exchange, answer),
        (error: unknown) => this.#failed(error),
      )
    }
  }

  #answered(exchange: Exchange, answer: () => void): void {
    exchange.answer = answer
    exchange.deadline?.cancel()
    for (let first = this.#exchanges[0]; first?.answer !== undefined; first = this.#exchanges[0]) {
      this.#exchanges.shift()
      this.#begun--
      if (!this.#abort.signal.aborted) first.send(first.answer)
      this.#exchanges[0]?.onTurn?.()
    }
    this.#begin()
  }

  #failed(error: unknown): void {
    if (!isUnavailable(error)) this.#history.violation('handler error', messageOf(error))
    this.#abort.abort()
    this.reset()
  }

  #context(exchange: Exchange, apiVersion: number): RequestContext {
    const { cluster, groups, process, random, log } = this.instance
    if (cluster === undefined || groups === undefined) throw new Error('nobody connects to an instance that is not up')
    return {
      cluster,
      groups,
      config: plainServerConfig,
      clock: process.clock,
      random,
      log,
      apiVersion,
      clientId: 'simulated',
      clientHost: '/127.0.0.1',
      signal: this.#abort.signal,
      sasl: undefined as unknown as SaslSession,
      served: [],
      answerBytesMax: 16 * 1024 * 1024,
      proceed: () => {
        exchange.hasProceeded = true
        this.#begin()
      },
      turn: () =>
        this.#exchanges[0] === exchange
          ? undefined
          : new Promise<void>((resolve) => {
              exchange.onTurn = resolve
            }),
      whenSent: (done) => {
        exchange.onSent = done
      },
      hangUp: () => this.reset(),
      expectWithin: (ms, giveUp) => {
        exchange.deadline = process.clock.after(ms, giveUp)
      },
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && unavailableNames.has(error.name)
}
