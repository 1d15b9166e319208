import type { AnyApi, Api, DecodedOf, EncodableOf } from './api.js'
import { apiOf } from './apis.js'
import { readerOf, tolerantReaderOf, writerOf } from './compile.js'
import { ProtocolError } from './protocol-error.js'
import { reader } from './reader.js'
import type { Shape } from './schema.js'
import { Writer, writing } from './writer.js'

/** What stands before the body of a request. */
export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Where the body starts in the frame. */
  readonly bodyStart: number
}

/** ApiVersions answers with header v0 in every version: its client doesn't know yet which versions we speak. */
const apiVersionsKey = 18

const writer = new Writer()

/**
 * Reads the header of a request from a frame (without its length). Which header version it has depends on API and
 * version: flexible ones have tagged fields behind the client id. An API or version that we don't know has no body
 * that we could read, except that a flexible API stays flexible in versions to come; so the caller can answer
 * a newer ApiVersions, and name what it refuses.
 * @throws ProtocolError
 */
export function readRequestHeader(frame: Buffer): RequestHeader {
  const end = frame.length
  if (end < 10) reader.short('request header', 10, end)
  const apiKey = frame.readInt16BE(0)
  const apiVersion = frame.readInt16BE(2)
  const correlationId = frame.readInt32BE(4)
  const length = frame.readInt16BE(8)
  let bodyStart = 10
  let clientId: string | null = null
  if (length >= 0) {
    bodyStart += length
    if (bodyStart > end) reader.short('request header: clientId', length, end - 10)
    clientId = frame.toString('utf8', 10, bodyStart)
  } else if (length !== -1) {
    reader.length('request header: clientId', length)
  }
  const api = apiOf(apiKey)
  if (api !== undefined && apiVersion >= api.flexible) {
    bodyStart = reader.skipTags(frame, bodyStart, end, 'request header')
  }
  return { apiKey, apiVersion, correlationId, clientId, bodyStart }
}

/**
 * Reads the body of a request; the version must be one the API has. What may follow it is ignored, as in Kafka.
 * @throws ProtocolError
 */
export function readRequest<Request extends Shape, Response extends Shape>(
  api: Api<Request, Response>,
  header: RequestHeader,
  frame: Buffer,
): DecodedOf<Api<Request, Response>['request']> {
  return tolerantReaderOf(api.request, header.apiVersion)(frame, header.bodyStart, frame.length)
}

/**
 * Writes a response frame, its length in front, as buffers for one `writev`; long records are not copied into it.
 * @throws EncodeError
 */
export function writeResponse<Request extends Shape, Response extends Shape>(
  api: Api<Request, Response>,
  version: number,
  correlationId: number,
  response: EncodableOf<Api<Request, Response>['response']>,
): Buffer[] {
  const write = writerOf(api.response, version)
  writer.begin()
  writer.position = writer.buffer.writeInt32BE(correlationId, writer.position)
  if (hasTaggedResponseHeader(api, version)) writer.buffer[writer.position++] = 0
  write(writer, response)
  return writer.finish()
}

/**
 * The client's side: writes a request frame, its length in front.
 * @throws EncodeError
 */
export function writeRequest<Request extends Shape, Response extends Shape>(
  api: Api<Request, Response>,
  version: number,
  correlationId: number,
  clientId: string | null,
  request: EncodableOf<Api<Request, Response>['request']>,
): Buffer[] {
  const write = writerOf(api.request, version)
  writer.begin()
  const buffer = writer.grow(writer.position, 11 + (clientId?.length ?? 0) * 3)
  let position = buffer.writeInt16BE(api.key, writer.position)
  position = buffer.writeInt16BE(version, position)
  position = buffer.writeInt32BE(correlationId, position)
  // The client id keeps its 16-bit length in flexible versions too, so that any broker can read it.
  if (clientId === null) position = buffer.writeInt16BE(-1, position)
  else position = writing.putString(buffer, position, clientId, 'request header: clientId')
  if (version >= api.flexible) buffer[position++] = 0
  writer.position = position
  write(writer, request)
  return writer.finish()
}

/**
 * The client's side: reads a response frame (without its length) to a request of that API and version.
 * @throws ProtocolError
 */
export function readResponse<Request extends Shape, Response extends Shape>(
  api: Api<Request, Response>,
  version: number,
  frame: Buffer,
): { correlationId: number; response: DecodedOf<Api<Request, Response>['response']> } {
  const header = `${api.name} response header`
  if (frame.length < 4) throw new ProtocolError(header, `4 bytes needed, ${frame.length} left`)
  const correlationId = frame.readInt32BE(0)
  const bodyStart = hasTaggedResponseHeader(api, version) ? reader.skipTags(frame, 4, frame.length, header) : 4
  return { correlationId, response: readerOf(api.response, version)(frame, bodyStart, frame.length) }
}

function hasTaggedResponseHeader(api: Pick<AnyApi, 'key' | 'flexible'>, version: number): boolean {
  return version >= api.flexible && api.key !== apiVersionsKey
}
