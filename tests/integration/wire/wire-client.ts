import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Api, DecodedOf, EncodableOf } from '../../../src/protocol/api.js'
import { readResponse, writeRequest } from '../../../src/protocol/frame.js'
import type { Shape } from '../../../src/protocol/schema.js'

/** A client that speaks the protocol through our own codec, or sends any bytes at all. */
export class WireClient {
  readonly socket: Socket
  readonly #frames: Buffer[] = []
  readonly #waiting: ((frame: Buffer | undefined) => void)[] = []
  #chunks: Buffer[] = []
  #bytes = 0
  /** Of the next frame, once it is known. */
  #length: number | undefined
  #correlationId = 0
  #isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      for (const resolve of this.#waiting.splice(0)) resolve(undefined)
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** Sends a request without waiting for its answer; gives its correlation id. */
  start<Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    version: number,
    request: EncodableOf<Api<Request, Response>['request']>,
  ): number {
    const correlationId = ++this.#correlationId
    this.send(Buffer.concat(writeRequest(api, version, correlationId, 'test', request)))
    return correlationId
  }

  /** The next answer, which is to be of that API. */
  async answer<Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    version: number,
  ): Promise<{ correlationId: number; response: DecodedOf<Api<Request, Response>['response']> }> {
    const frame = await this.frame()
    if (frame === undefined) throw new Error('the connection was closed')
    return readResponse(api, version, frame)
  }

  /** Sends a request and waits for its answer. */
  async call<Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    version: number,
    request: EncodableOf<Api<Request, Response>['request']>,
  ): Promise<DecodedOf<Api<Request, Response>['response']>> {
    const sent = this.start(api, version, request)
    const { correlationId, response } = await this.answer(api, version)
    if (correlationId !== sent) throw new Error(`answer ${correlationId} to request ${sent}`)
    return response
  }

  /** The next frame without its length; undefined when the connection is closed. */
  frame(): Promise<Buffer | undefined> {
    const frame = this.#frames.shift()
    if (frame !== undefined || this.#isClosed) return Promise.resolve(frame)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    if (!this.#isClosed) await once(this.socket, 'close', { signal: AbortSignal.timeout(closeMs) })
  }

  close(): void {
    this.socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    while (this.#bytes >= (this.#length ?? 4)) {
      let buffer = Buffer.concat(this.#chunks)
      if (this.#length === undefined) {
        this.#length = buffer.readInt32BE(0)
        buffer = buffer.subarray(4)
      } else {
        const frame = buffer.subarray(0, this.#length)
        buffer = buffer.subarray(this.#length)
        this.#length = undefined
        const resolve = this.#waiting.shift()
        if (resolve) resolve(frame)
        else this.#frames.push(frame)
      }
      this.#chunks = [buffer]
      this.#bytes = buffer.length
    }
  }
}

/** A server that is to close a connection does so within this time, milliseconds. */
const closeMs = 30_000

/** Connects; the connection is closed when the test ends. */
export async function connect(context: TestContext, port: number): Promise<WireClient> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  const client = new WireClient(socket)
  context.after(() => client.close())
  await once(socket, 'connect')
  return client
}
