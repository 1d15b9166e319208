import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Metrics } from '../../base/metrics.js'

export interface Health {
  /** Why this instance should not be sent clients now, or undefined when all is well. */
  reason: string | undefined
  /** What `/health` says besides, such as the cluster id. */
  details: Readonly<Record<string, string | number>>
}

/** What operators and their programs get to see. */
export interface OperatorsView {
  metrics: Pick<Metrics, 'text' | 'contentType'>
  health: () => Health | Promise<Health>
}

export interface HttpServerOptions extends OperatorsView {
  /** Address to listen on; undefined for all interfaces. */
  host?: string | undefined
  /** 0 takes any free port. */
  port: number
  log: Log
}

export interface HttpServer {
  /** The port that is listened on. */
  readonly port: number
  /** Stops listening; resolves when the last answer is out. */
  close(): Promise<void>
}

/** Bounds: those who ask here are a scraper, a prober and an operator. */
const bounds = { connectionsMax: 64, headerBytesMax: 8 * 1024, requestMs: 5_000, keepAliveMs: 65_000 } as const

/**
 * Serves `/metrics` (Prometheus) and `/health` (200 or 503 with the reason), and for Kubernetes `/readyz` (the same
 * as `/health`) and `/livez` (200 while the process answers at all: a restart does not bring the store back).
 * @throws when the address can't be listened on.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: bounds.headerBytesMax,
      headersTimeout: bounds.requestMs,
      requestTimeout: bounds.requestMs,
      keepAliveTimeout: bounds.keepAliveMs,
      connectionsCheckingInterval: bounds.requestMs,
    },
    (request, response) => {
      answer(request, response, options).catch((error: unknown) => {
        options.log.error({ error: messageOf(error), url: request.url }, 'http request failed')
        if (response.headersSent) response.destroy()
        else respond(response, 500, 'text/plain', 'internal error\n')
      })
    },
  )
  server.maxConnections = bounds.connectionsMax
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => options.log.error({ error: error.message }, 'http server failed'))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, options: HttpServerOptions): Promise<void> {
  // Nothing here takes a body: one that is sent is not read, and the connection ends with the answer.
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)
    response.setHeader('connection', 'close')

  const path = (request.url ?? '/').split('?', 1)[0]
  const isKnown = path === '/metrics' || path === '/health' || path === '/readyz' || path === '/livez'
  if (!isKnown) return respond(response, 404, 'text/plain', 'not found; there are /metrics and /health\n')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return respond(response, 405, 'text/plain', 'only GET and HEAD\n')
  }
  if (path === '/metrics') return respond(response, 200, options.metrics.contentType, await options.metrics.text())
  respondHealth(response, path === '/livez' ? { reason: undefined, details: {} } : await options.health())
}

function respondHealth(response: ServerResponse, { reason, details }: Health): void {
  const body = reason === undefined ? { status: 'ok', ...details } : { status: 'unhealthy', reason, ...details }
  respond(response, reason === undefined ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`)
}

function respond(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  // A HEAD request's body is dropped by node.
  response.end(body)
}
