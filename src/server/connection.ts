import type { Socket } from 'node:net'
import { AssertionError } from '../base/assert.js'
import type { Timer } from '../base/clock.js'
import { messageOf, OverloadedError, StoreError, UnavailableError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { writeResponse } from '../protocol/frame.js'
import { AnswerWriter } from './answer-writer.js'
import { Exchange } from './exchange.js'
import { FrameLengthError, FrameReader } from './frame-reader.js'
import { openRequest } from './open-request.js'
import { type Receiver, receive } from './receive.js'
import type { BudgetWaiter } from './request-budget.js'
import type { CloseReason } from './request-observer.js'
import { SaslSession } from './sasl.js'
import type { Services } from './services.js'

/**
 * One client's connection. Requests start in the order of their arrival: each when the one before is answered or has
 * let it pass (`proceed`). Answers leave in the same order. While too much is under way, or the client doesn't
 * read its answers, its socket isn't read.
 */
export class Connection implements BudgetWaiter, Receiver {
  readonly clientHost: string
  readonly sasl: SaslSession
  readonly #socket: Socket
  readonly #services: Services
  readonly #onClosed: (connection: Connection) => void
  readonly #frames: FrameReader
  readonly #writer: AnswerWriter
  readonly #aborter = new AbortController()
  readonly #client: string
  readonly #openedAtMs: number
  #lastReadMs: number
  #lastRequestMs: number
  #hasRequested = false

  /** Requests under way, in the order of their arrival. */
  #first: Exchange | undefined
  #last: Exchange | undefined
  #inFlight = 0
  /** The request that holds the next one back. */
  #holder: Exchange | undefined
  #isPumping = false
  #isDraining = false
  #isClosed = false
  #lingering: Timer | undefined
  #closeReason: CloseReason = 'client'

  /** `accepted` is a paused socket. */
  constructor(accepted: Socket, services: Services, onClosed: (connection: Connection) => void) {
    this.#services = services
    this.#onClosed = onClosed
    this.#frames = new FrameReader(services.budget, services.frames, (apiKey) => services.dispatcher.placeOf(apiKey))
    const socket = receive(accepted, this)
    this.#socket = socket
    this.#writer = new AnswerWriter(socket, services.pendingAnswers, services.limits.responseBytesPendingMax)
    this.sasl = new SaslSession(services.config)
    const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown'
    this.clientHost = `/${address}`
    this.#client = `${address}:${socket.remotePort}`
    const now = services.clock.monotonic()
    this.#openedAtMs = now
    this.#lastReadMs = now
    this.#lastRequestMs = now
    socket.setNoDelay(true)
    socket.setTimeout(services.limits.writeStallTimeoutMs)
    socket.on('drain', () => this.#drained())
    socket.on('timeout', () => this.#stalled())
    socket.on('error', (error) => services.log.debug({ client: this.#client, error: error.message }, 'socket error'))
    socket.on('close', () => this.#closed())
  }

  get signal(): AbortSignal {
    return this.#aborter.signal
  }

  get answerBytesMax(): number {
    return this.#services.pendingAnswers.answerBytesMax
  }

  /** Lets the next request start if it is `exchange` that holds it back. */
  proceed(exchange: Exchange): void {
    if (this.#holder !== exchange) return
    this.#holder = undefined
    this.#pump()
  }

  /** Whether all earlier requests are answered and their answers taken, but for a bounded rest. */
  isTurnOf(exchange: Exchange): boolean {
    return this.#isClosed || (this.#first === exchange && this.#writer.hasRoom)
  }

  bytesFreed(): void {
    this.#pump()
  }

  target(): Buffer | undefined {
    return this.#isDraining ? undefined : this.#frames.target()
  }

  get expectsMuch(): boolean {
    return this.#frames.isLarge
  }

  landed(bytes: number): void {
    this.#lastReadMs = this.#services.clock.monotonic()
    this.#frames.landed(bytes)
    this.#pump()
  }

  received(chunk: Buffer, bytes: number): void {
    if (this.#isClosed || this.#isDraining) return
    this.#lastReadMs = this.#services.clock.monotonic()
    this.#frames.push(chunk, bytes)
    this.#pump()
    this.#frames.keep()
  }

  /** Closes the connection if it has broken a time-out. */
  expire(nowMs: number): void {
    const { handshakeTimeoutMs, frameStallTimeoutMs, idleTimeoutMs } = this.#services.limits
    const isReading = this.#inFlight === 0 && !this.#socket.isPaused()
    if ((!this.#hasRequested || !this.sasl.isOpen) && nowMs - this.#openedAtMs > handshakeTimeoutMs)
      this.#reject('handshakeTimeout', 'connection closed: no request, or no authentication, within the time-out', {})
    else if (!this.#socket.isPaused() && this.#frames.awaitsBytes && nowMs - this.#lastReadMs > frameStallTimeoutMs)
      this.#reject('frameTimeout', 'connection closed: a request stopped half-way', {})
    else if (isReading && nowMs - Math.max(this.#lastRequestMs, this.#lastReadMs) > idleTimeoutMs)
      this.close('idleTimeout')
  }

  /** Reads no more requests, has those that wait for something stop waiting, and closes once all are answered. */
  drain(): void {
    this.#isDraining = true
    this.#closeReason = 'shutdown'
    this.#aborter.abort()
    if (this.#inFlight === 0) this.#end()
  }

  /** Closes at once; what is under way goes unanswered. */
  close(reason: CloseReason): void {
    if (this.#isClosed) return
    this.#closeReason = reason
    this.#socket.destroy()
    this.#closed()
  }

  /** Starts requests as long as they may start, then sees whether the socket is to be read. */
  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#mayStart()) {
      const frame = this.#nextFrame()
      if (frame === undefined) break
      this.#start(frame)
    }
    this.#isPumping = false
    if (this.#isClosed || this.#isDraining) return
    const { refusedBytes, unreadBytes } = this.#frames
    if (refusedBytes > 0) this.#services.budget.wait(this, refusedBytes)
    const pauses = refusedBytes > 0 || unreadBytes > limits.readAheadBytesMax
    if (pauses !== this.#socket.isPaused()) {
      if (pauses) this.#socket.pause()
      else {
        this.#lastReadMs = this.#services.clock.monotonic()
        this.#socket.resume()
      }
    }
  }

  #mayStart(): boolean {
    return (
      this.#holder === undefined &&
      this.#inFlight < this.#services.limits.inFlightPerConnection &&
      !this.#isDraining &&
      !this.#isClosed &&
      this.#writer.hasRoom
    )
  }

  #nextFrame(): Buffer | undefined {
    try {
      const { frameBytesMax } = this.#services.limits
      return this.#frames.next(
        this.sasl.isOpen ? frameBytesMax : Math.min(frameBytesMax, limits.unauthenticatedFrameBytesMax),
      )
    } catch (error) {
      if (!(error instanceof FrameLengthError)) throw error
      this.#reject('badRequest', 'connection closed: bad request length', { problem: error.message })
      return undefined
    }
  }

  #start(frame: Buffer): void {
    const { budget, clock } = this.#services
    this.#hasRequested = true
    const startedAtMs = clock.monotonic()
    this.#lastRequestMs = startedAtMs
    const exchange = this.#open(frame, startedAtMs)
    if (exchange === undefined) {
      budget.release(frame.length)
      return
    }
    if (this.#last === undefined) this.#first = exchange
    else this.#last.next = exchange
    this.#last = exchange
    this.#inFlight++
    if (exchange.isDone) {
      this.#flush()
      return
    }
    this.#holder = exchange
    let answer: unknown
    try {
      answer = exchange.route.handler.run(exchange.request, exchange)
    } catch (error) {
      this.#fail(exchange, error)
      return
    }
    if (answer instanceof Promise)
      void answer.then(
        (value: unknown) => this.#answer(exchange, value),
        (error: unknown) => this.#fail(exchange, error),
      )
    else this.#answer(exchange, answer)
  }

  /** Opens a request, or takes a token; undefined when there is nothing to start. */
  #open(frame: Buffer, startedAtMs: number): Exchange | undefined {
    if (this.sasl.expectsBareToken) {
      this.#takeBareToken(frame)
      return undefined
    }
    try {
      const opened = openRequest(frame, this, this.#services, startedAtMs)
      if (opened instanceof Exchange) return opened
      this.#reject(opened.reason, opened.subject, opened.fields)
    } catch (error) {
      this.#services.log.error({ client: this.#client, err: error }, 'connection closed: a request was not understood')
      this.close('handlerError')
    }
    return undefined
  }

  /** A SASL token without a Kafka header (after SaslHandshake v0). Its answer is bare too, and empty. */
  #takeBareToken(token: Buffer): void {
    const { errorCode, errorMessage } = this.sasl.authenticate(token)
    if (errorCode === 0) this.#writer.write([Buffer.alloc(4)])
    else this.#reject('authentication', 'authentication failed', { problem: errorMessage })
  }

  #answer(exchange: Exchange, answer: unknown): void {
    const { api, errorIn } = exchange.route
    let responseBytes = 0
    if (answer !== null) {
      try {
        exchange.chunks = writeResponse(api, exchange.apiVersion, exchange.correlationId, answer as never)
      } catch (error) {
        // The answer of a handler of ours doesn't fit its declaration.
        this.#fail(exchange, error)
        return
      }
      for (const chunk of exchange.chunks) responseBytes += chunk.length
    }
    this.#services.observer.requestDone({
      api: api.name,
      version: exchange.apiVersion,
      // Nobody is told any more: its client has asked elsewhere, and what comes after may be refused as out of order.
      errorCode: answer === null || this.#isClosed ? 0 : errorIn(answer),
      seconds: (this.#services.clock.monotonic() - exchange.startedAtMs) / 1000,
      requestBytes: exchange.requestBytes,
      responseBytes,
    })
    // Whoever still uses it, as an append that takes longer than its request may, has pinned it.
    if (exchange.route.place !== 'kept') this.#services.frames.unpin(exchange.frame)
    this.#done(exchange)
  }

  #done(exchange: Exchange): void {
    exchange.settle()
    if (this.#isClosed) {
      exchange.drop()
      this.#services.budget.release(exchange.requestBytes)
      return
    }
    if (this.#holder === exchange) this.#holder = undefined
    this.#flush()
    this.#pump()
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { log, complaints, fatal } = this.#services
    const { api, handler } = exchange.route
    const fields = { api: api.name, apiVersion: exchange.apiVersion, client: this.#client, clientId: exchange.clientId }
    if (error instanceof AssertionError) {
      log.fatal({ ...fields, err: error }, 'a request broke an invariant')
      fatal(error)
      this.close('handlerError')
    } else if (this.#isClosed) {
      log.debug({ ...fields, problem: messageOf(error) }, 'a request failed after its connection had closed')
      this.#done(exchange)
    } else if (error instanceof UnavailableError || error instanceof OverloadedError || error instanceof StoreError) {
      complaints.warn('a request can not be served now', { ...fields, problem: messageOf(error) })
      const answer = handler.unavailable?.(exchange.request, exchange)
      if (answer === undefined) this.#giveUp(exchange, 'unavailable')
      else this.#answer(exchange, answer)
    } else if (this.#aborter.signal.aborted) {
      // The wait of a handler ended because we are shutting down.
      log.debug({ ...fields, problem: messageOf(error) }, 'a request ended with its connection')
      this.#giveUp(exchange, 'shutdown')
    } else {
      log.error({ ...fields, err: error }, 'connection closed: a request failed')
      this.#giveUp(exchange, 'handlerError')
    }
  }

  /** Closes the connection once all requests before this one are answered. */
  #giveUp(exchange: Exchange, reason: CloseReason): void {
    exchange.hangsUp = true
    exchange.drop()
    this.#closeReason = reason
    this.#done(exchange)
  }

  /** Sends the answers whose turn it is. */
  #flush(): void {
    let exchange = this.#first
    while (exchange?.isDone) {
      this.#first = exchange.next
      if (this.#first === undefined) this.#last = undefined
      this.#inFlight--
      exchange.send(this.#writer)
      if (exchange.hangsUp) this.#hangUp()
      // Others may start now, and so may our own next request: what is written above is written.
      this.#services.budget.release(exchange.requestBytes)
      if (exchange.hangsUp) return
      exchange = this.#first
    }
    if (this.#isDraining && exchange === undefined) this.#end()
    else if (exchange !== undefined && this.#writer.hasRoom) exchange.giveTurn()
  }

  #hangUp(): void {
    if (this.#closeReason === 'client') this.#closeReason = this.sasl.hasFailed ? 'authentication' : 'badRequest'
    this.#isDraining = true
    this.#end()
  }

  /**
   * Closes our side. What the client still sends is read and dropped until it closes too: to close with bytes unread
   * resets the connection, and the client loses the answers that are still on their way.
   */
  #end(): void {
    if (this.#isClosed) return
    this.#socket.resume()
    this.#writer.end(() => {
      if (!this.#isClosed) this.#lingering = this.#services.clock.after(limits.lingerMs, () => this.#socket.destroy())
    })
  }

  #drained(): void {
    this.#writer.count()
    if (this.#first !== undefined && !this.#first.isDone) this.#first.giveTurn()
    this.#pump()
  }

  /** Neither byte came nor went for long. */
  #stalled(): void {
    if (this.#socket.writableLength > 0)
      this.#reject('writeTimeout', 'connection closed: the client takes no answers', {})
    else this.#socket.setTimeout(this.#services.limits.writeStallTimeoutMs)
  }

  #reject(reason: CloseReason, subject: string, fields: object): void {
    this.#services.complaints.warn(subject, { client: this.#client, ...fields })
    this.close(reason)
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { budget, observer } = this.#services
    this.#lingering?.cancel()
    this.#writer.count()
    this.#frames.discard()
    budget.forget(this)
    // What is under way runs to its end; until then its bytes count.
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      if (exchange.isDone) {
        exchange.drop()
        budget.release(exchange.requestBytes)
      } else exchange.giveTurn()
    }
    this.#first = undefined
    this.#last = undefined
    this.#inFlight = 0
    this.#aborter.abort()
    observer.connectionClosed(this.#closeReason)
    this.#onClosed(this)
  }
}
