import { connect, type Socket } from 'node:net'
import type { Clock } from '../../base/clock.js'
import { limits } from '../../base/limits.js'
import type { AnyApi, Api, DecodedOf, EncodableOf } from '../../protocol/api.js'
import { readResponse, writeRequest } from '../../protocol/frame.js'
import { ApiVersions } from '../../protocol/messages/api-versions.js'
import { SaslAuthenticate } from '../../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.js'
import type { Shape } from '../../protocol/schema.js'
import { ConnectionError, check } from './errors.js'

export interface ConnectOptions {
  host: string
  port: number
  sasl?: { username: string; password: string } | undefined
  clock: Clock
}

export interface RequestOptions {
  /** How long the gateway may take on purpose (a long poll), beside the usual time-out. */
  waitMs?: number
  /** The newest version to use. */
  versionMax?: number
}

/** One connection to a gateway. Requests are answered in the order they were made. */
export interface Connection {
  /**
   * Sends a request in the newest version that both sides speak.
   * @throws ConnectionError when the connection is lost or no answer comes
   */
  request<Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    body: EncodableOf<Api<Request, Response>['request']>,
    options?: RequestOptions,
  ): Promise<DecodedOf<Api<Request, Response>['response']>>
  close(): void
}

const clientId = 'heraclitus-cli'
const connectTimeoutMs = 5_000
const requestTimeoutMs = 30_000

/**
 * Connects to a gateway, asks for its versions and authenticates.
 * @throws ConnectionError when it can't be reached; KafkaError when it refuses the credentials.
 */
export async function openConnection(options: ConnectOptions): Promise<Connection> {
  const socket = await openSocket(options)
  const exchange = new Exchange(socket, options.clock)
  try {
    const { errorCode, apiKeys } = await exchange.send(ApiVersions, 0, {}, requestTimeoutMs)
    check('ask for API versions', errorCode)
    const newest = new Map(apiKeys.map((served) => [served.apiKey, served]))
    const versionOf = (api: AnyApi, versionMax: number) => {
      const served = newest.get(api.key)
      const version = Math.min(versionMax, api.versions[1], served?.maxVersion ?? -1)
      if (served === undefined || version < Math.max(api.versions[0], served.minVersion))
        throw new ConnectionError(`${options.host}:${options.port} does not serve ${api.name} in a version known here`)
      return version
    }
    const connection: Connection = {
      request: async (api, body, { waitMs = 0, versionMax = Number.POSITIVE_INFINITY } = {}) =>
        exchange.send(api, versionOf(api as unknown as AnyApi, versionMax), body, requestTimeoutMs + waitMs),
      close: () => exchange.close(new ConnectionError('the connection was closed')),
    }
    if (options.sasl) await authenticate(connection, options.sasl)
    return connection
  } catch (error) {
    exchange.close(new ConnectionError('the connection was closed'))
    throw error
  }
}

async function authenticate(connection: Connection, sasl: { username: string; password: string }): Promise<void> {
  const handshake = await connection.request(SaslHandshake, { mechanism: 'PLAIN' })
  check('authenticate with SASL/PLAIN', handshake.errorCode)
  const authBytes = Buffer.from(`\0${sasl.username}\0${sasl.password}`)
  const answer = await connection.request(SaslAuthenticate, { authBytes })
  check('authenticate with SASL/PLAIN', answer.errorCode, answer.errorMessage)
}

function openSocket({ host, port, clock }: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    const refuse = (problem: string) => {
      timer.cancel()
      socket.destroy()
      reject(new ConnectionError(`can't connect to ${host}:${port}: ${problem}`))
    }
    const timer = clock.after(connectTimeoutMs, () => refuse(`no answer within ${connectTimeoutMs} ms`))
    const onError = (error: NodeJS.ErrnoException) => refuse(error.code ?? error.message)
    socket.once('error', onError)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', onError)
      resolve(socket)
    })
  })
}

interface Waiting {
  settle(frame: Buffer): void
  fail(error: Error): void
}

/** Frames on a socket: matches answers with requests. */
class Exchange {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()
  #nextCorrelationId = 1
  #received: Buffer[] = []
  #receivedBytes = 0
  #closedBy: Error | undefined

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.close(new ConnectionError(`the connection failed: ${error.message}`)))
    socket.on('close', () => this.close(new ConnectionError('the gateway closed the connection')))
  }

  send<Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    version: number,
    body: EncodableOf<Api<Request, Response>['request']>,
    timeoutMs: number,
  ): Promise<DecodedOf<Api<Request, Response>['response']>> {
    return new Promise((resolve, reject) => {
      if (this.#closedBy) return reject(this.#closedBy)
      const correlationId = this.#nextCorrelationId++
      const pieces = writeRequest(api, version, correlationId, clientId, body)
      const timer = this.#clock.after(timeoutMs, () =>
        this.close(new ConnectionError(`no answer to ${api.name} within ${timeoutMs} ms`)),
      )
      this.#waiting.set(correlationId, {
        settle: (frame) => {
          timer.cancel()
          resolve(readResponse(api, version, frame).response)
        },
        fail: (error) => {
          timer.cancel()
          reject(error)
        },
      })
      this.#socket.cork()
      for (const piece of pieces) this.#socket.write(piece)
      this.#socket.uncork()
    })
  }

  close(reason: Error): void {
    if (this.#closedBy) return
    this.#closedBy = reason
    this.#socket.destroy()
    for (const waiting of this.#waiting.values()) waiting.fail(reason)
    this.#waiting.clear()
  }

  #receive(chunk: Buffer): void {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    while (this.#receivedBytes >= 4) {
      if ((this.#received[0]?.length ?? 0) < 4) this.#received = [Buffer.concat(this.#received)]
      const length = this.#received[0]?.readInt32BE(0) ?? 0
      if (length < 4 || length > limits.frameBytesMax) {
        this.close(new ConnectionError(`an answer claims ${length} bytes: is this a Kafka port?`))
        return
      }
      if (this.#receivedBytes < 4 + length) return
      const all = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received)
      if (!all) return
      const rest = all.subarray(4 + length)
      this.#received = rest.length > 0 ? [rest] : []
      this.#receivedBytes = rest.length
      this.#answer(all.subarray(4, 4 + length))
    }
  }

  #answer(frame: Buffer): void {
    const correlationId = frame.readInt32BE(0)
    const waiting = this.#waiting.get(correlationId)
    if (!waiting) {
      this.close(new ConnectionError(`an answer to nothing that was asked (${correlationId})`))
      return
    }
    this.#waiting.delete(correlationId)
    try {
      waiting.settle(frame)
    } catch (error) {
      waiting.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
