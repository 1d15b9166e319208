import { readRequest, readRequestHeader } from '../protocol/frame.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { SaslAuthenticate } from '../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../protocol/messages/sasl-handshake.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import type { Connection } from './connection.js'
import { Exchange } from './exchange.js'
import type { CloseReason } from './request-observer.js'
import type { Services } from './services.js'
import { unsupportedApiVersions } from './unsupported-api-versions.js'

/** Why a frame is no request that may be started: its connection is closed for it. */
export class Refusal {
  readonly reason: CloseReason
  /** For the log. */
  readonly subject: string
  readonly fields: object

  constructor(reason: CloseReason, subject: string, fields: object) {
    this.reason = reason
    this.subject = subject
    this.fields = fields
  }
}

/** What a client may ask for before it has authenticated. */
const openApis: ReadonlySet<number> = new Set([ApiVersions.key, SaslHandshake.key, SaslAuthenticate.key])

/**
 * Reads a request: finds its API, sees whether the client may use it, decodes it. As in Kafka an API or version
 * that isn't served is no reason for an answer but for closing the connection, except for ApiVersions, whose exchange
 * then is done already.
 */
export function openRequest(
  frame: Buffer,
  connection: Connection,
  services: Services,
  startedAtMs: number,
): Exchange | Refusal {
  try {
    const header = readRequestHeader(frame)
    const { apiKey, apiVersion, clientId } = header
    const route = services.dispatcher.route(apiKey)
    if (route === undefined)
      return new Refusal('badRequest', 'connection closed: unsupported API', { apiKey, apiVersion, clientId })
    const { api } = route
    if (apiVersion < api.versions[0] || apiVersion > api.versions[1]) {
      if (apiKey !== ApiVersions.key)
        return new Refusal('badRequest', 'connection closed: unsupported version of an API', {
          api: api.name,
          apiVersion,
          clientId,
        })
      const exchange = new Exchange(connection, services, route, header, undefined, frame, startedAtMs)
      exchange.chunks = unsupportedApiVersions(header.correlationId, api)
      exchange.settle()
      return exchange
    }
    if (!connection.sasl.isOpen && !openApis.has(apiKey))
      return new Refusal('authentication', 'connection closed: a request before authentication', { api: api.name })
    return new Exchange(connection, services, route, header, readRequest(api, header, frame), frame, startedAtMs)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return new Refusal('badRequest', 'connection closed: malformed request', { problem: error.message })
  }
}
