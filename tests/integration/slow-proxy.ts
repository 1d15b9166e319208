import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, seededRandom } from '../../src/base/random.js'

/**
 * What becomes of one request. `before` and `after`: 503 SlowDown or a reset connection before the server saw the
 * request, or after it carried it out (the outcome is then unknown to the client). `stall`: carried out, and never
 * answered. `truncate`: half of the answer's body, then a reset. `conflict`: 409, not carried out.
 */
export type Fault =
  | 'slowDownBefore'
  | 'slowDownAfter'
  | 'errorAfter'
  | 'resetBefore'
  | 'resetAfter'
  | 'stall'
  | 'truncate'
  | 'conflict'

export interface SlowProxyOptions {
  /** The server behind, as `http://127.0.0.1:7070`. */
  target: string
  /** Median time of a PUT, POST or DELETE, milliseconds. */
  putMs?: number
  /** Median time of a GET or HEAD, milliseconds. */
  getMs?: number
  /** Spread of the log-normal times. */
  sigma?: number
  /** These times come on top of what the server behind takes; otherwise that is part of them, unless it takes longer. */
  isOnTop?: boolean
  /** Share of requests that meet a fault by chance. */
  faultRate?: number
  /** The faults met by chance. */
  faults?: readonly Fault[]
  seed?: number
}

/** An HTTP proxy that makes an S3 server as slow and as faulty as one over the network. */
export interface SlowProxy {
  endpoint: string
  /** Requests seen so far, by method; listings count as `LIST`. */
  counts: Map<string, number>
  /** Faults that requests met so far, by kind. */
  injected: Map<Fault, number>
  /** From now on, share of requests that meet a fault by chance. */
  faultRate: number
  /** From now on, a request of which this says so, by its URL, is never answered. */
  isStalled: (url: string) => boolean
  /** The next requests with that method meet these faults, one each, in this order. */
  next(method: string, ...faults: Fault[]): void
  close(): Promise<void>
}

/** Starts the proxy on a free port. Half of a request's time passes before it is handed on, the rest before its answer. */
export async function startSlowProxy(options: SlowProxyOptions): Promise<SlowProxy> {
  const { putMs = 0, getMs = 0, sigma = 0.4, isOnTop = false } = options
  let faultRate = options.faultRate ?? 0
  let isStalled = (_url: string) => false
  const faults = options.faults ?? ['slowDownBefore', 'slowDownAfter', 'resetBefore', 'resetAfter']
  const random = seededRandom(options.seed ?? 1)
  const target = new URL(options.target)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 })
  const counts = new Map<string, number>()
  const injected = new Map<Fault, number>()
  const planned = new Map<string, Fault[]>()

  const fateOf = (method: string, url: string): Fault | undefined => {
    if (isStalled(url)) return 'stall'
    const fault = planned.get(method)?.shift()
    if (fault !== undefined) return fault
    if (random.next() >= faultRate) return undefined
    const chosen = faults[Math.floor(random.next() * faults.length)]
    // S3 answers so to conditional puts alone.
    return chosen === 'conflict' && method !== 'PUT' ? 'slowDownBefore' : chosen
  }

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const method = request.method ?? 'GET'
    const counted = request.url?.includes('list-type=2') ? 'LIST' : method
    counts.set(counted, (counts.get(counted) ?? 0) + 1)
    if (request.headers.expect !== undefined) response.writeContinue()
    const body = await bytesOf(request)
    const medianMs = method === 'GET' || method === 'HEAD' ? getMs : putMs
    const ms = medianMs * Math.exp(sigma * normal(random))
    const begunAt = performance.now()
    const fate = fateOf(method, request.url ?? '')
    if (fate !== undefined) injected.set(fate, (injected.get(fate) ?? 0) + 1)
    await sleep(ms / 2)
    if (fate === 'resetBefore') return void request.socket.resetAndDestroy()
    if (fate === 'slowDownBefore') return refuse(response, 503, 'SlowDown')
    if (fate === 'conflict') return refuse(response, 409, 'ConditionalRequestConflict')

    // The Host header is signed: it goes through as the client wrote it.
    const { expect, ...headers } = request.headers
    const upstream = http.request({
      agent,
      host: target.hostname,
      port: target.port,
      method,
      path: request.url,
      headers,
    })
    // Whoever waits for the answer hears of it; after the answer it is of no interest.
    upstream.on('error', () => undefined)
    upstream.end(body)
    const [answer] = (await once(upstream, 'response')) as [http.IncomingMessage]
    const answered = await bytesOf(answer)
    if (fate === 'stall') return
    if (fate === 'resetAfter') return void request.socket.resetAndDestroy()
    if (fate === 'slowDownAfter') return refuse(response, 503, 'SlowDown')
    if (fate === 'errorAfter') return refuse(response, 500, 'InternalError')
    const restMs = isOnTop ? ms / 2 : begunAt + ms - performance.now()
    if (restMs > 0) await sleep(restMs)
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    if (fate === 'truncate') {
      response.write(answered.subarray(0, answered.length >> 1), () => request.socket.resetAndDestroy())
      return
    }
    response.end(answered)
  }

  const server = http.createServer((request, response) => {
    // The server behind went away, or the client did.
    serve(request, response).catch(() => request.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    counts,
    injected,
    get faultRate() {
      return faultRate
    },
    set faultRate(rate) {
      faultRate = rate
    },
    get isStalled() {
      return isStalled
    },
    set isStalled(judge) {
      isStalled = judge
    },
    next: (method, ...planning) => {
      planned.set(method, [...(planned.get(method) ?? []), ...planning])
    },
    async close() {
      agent.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function refuse(response: http.ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>Injected.</Message></Error>`)
}

async function bytesOf(message: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A normally distributed number (Box-Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(random.next() || 1e-12)) * Math.cos(2 * Math.PI * random.next())
}
