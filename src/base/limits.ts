/** Every bound of the gateway that is not a setting, in one place. Units last. */
export const limits = {
  /** Largest request frame accepted, bytes (Kafka's `socket.request.max.bytes`). */
  frameBytesMax: 100 * 1024 * 1024,
  /** Requests of one connection that may be under way before its socket is paused. */
  inFlightPerConnection: 64,
  /** Bytes of requests under way over all connections before sockets are paused (Kafka's `queued.max.request.bytes`). */
  requestBytesInFlightMax: 256 * 1024 * 1024,
  /** Bytes waiting to be written to one client before its requests are no longer read. */
  responseBytesPendingMax: 16 * 1024 * 1024,
  /** Bytes waiting to be written to all clients from which on fetches are given less and less. */
  responseBytesPendingTotalMax: 256 * 1024 * 1024,
  /** Largest fetch response that is gathered, bytes, but for a first batch that is larger (Kafka's `fetch.max.bytes`). */
  fetchResponseBytesMax: 16 * 1024 * 1024,
  /** Bytes read from a socket ahead of the requests that may start. */
  readAheadBytesMax: 64 * 1024,
  /** Largest request frame of a client that has yet to authenticate (Kafka's `sasl.server.max.receive.size`). */
  unauthenticatedFrameBytesMax: 512 * 1024,
  /** A new connection is to send a whole request, and to authenticate, within so long. */
  handshakeTimeoutMs: 30_000,
  /** A connection is closed when a request that has begun makes no progress for so long. */
  frameStallTimeoutMs: 30_000,
  /** A connection is closed when its client takes none of what waits for it for so long. */
  writeStallTimeoutMs: 60_000,
  /** When we have closed our side of a connection, its client has so long to close its own. */
  lingerMs: 2_000,
  /** Most partitions a topic may have. */
  partitionsPerTopicMax: 10_000,
  /** Largest array that is pre-allocated on the word of a client; longer ones grow as their elements arrive. */
  arrayPreallocationMax: 1024,
  /** Most array elements of one message, over all its arrays: a few bytes on the wire become an object in memory. */
  messageElementsMax: 1_000_000,
  /** Most bytes that the compressed records of one batch may unpack to. */
  decompressedBatchBytesMax: 64 * 1024 * 1024,
} as const
