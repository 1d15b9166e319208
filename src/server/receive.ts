import { Socket } from 'node:net'

/** Where a connection's bytes go. */
export interface Receiver {
  /** Where the next bytes should land, or undefined for wherever there is room: then they come by `received`. */
  target(): Buffer | undefined
  /** Whether what comes next is large, probably: so little is to be read before there is a target for the rest. */
  readonly expectsMuch: boolean
  /** So many bytes have landed in the target. */
  landed(bytes: number): void
  /** So many bytes have come, at the beginning of `chunk`: they are the receiver's until it returns. */
  received(chunk: Buffer, bytes: number): void
}

/** One read takes at most so many bytes when there is no target; and so many of what is large, which would be copied. */
const scratchBytes = 64 * 1024
const beginningBytes = 4 * 1024
/** All sockets share it: what has been read is used, or copied out, before anything else is read. */
let scratch: Buffer | undefined
let beginning: Buffer | undefined

/** What node's sockets are made of, as far as it is used here. */
interface Handle {
  useUserBuffer?: unknown
}
interface SocketInternals {
  _handle: Handle | null
  _server: unknown
}

/**
 * Has what an accepted, paused socket reads go straight to where it will stay, rather than into a new buffer for each
 * read, from which it would be copied: that costs less than half as much. Node offers this for outgoing sockets
 * alone (`onread`), so the accepted socket's handle is given to a new socket. Where that does not work, the bytes
 * come by 'data' events.
 * @returns the socket to be used from now on; reading has begun.
 */
export function receive(accepted: Socket, receiver: Receiver): Socket {
  const socket = withTarget(accepted, receiver)
  if (socket !== undefined) return socket
  accepted.on('data', (chunk: Buffer) => receiver.received(chunk, chunk.length))
  accepted.resume()
  return accepted
}

function withTarget(accepted: Socket, receiver: Receiver): Socket | undefined {
  const internals = accepted as unknown as SocketInternals
  const { _handle: handle, _server: server } = internals
  if (handle === null || typeof handle?.useUserBuffer !== 'function' || server === undefined) return undefined
  scratch ??= Buffer.allocUnsafeSlow(scratchBytes)
  beginning ??= scratch.subarray(0, beginningBytes)
  const [everywhere, little] = [scratch, beginning]
  const onread = {
    buffer: () => receiver.target() ?? (receiver.expectsMuch ? little : everywhere),
    callback(bytes: number, buffer: Uint8Array) {
      if (buffer === everywhere || buffer === little) receiver.received(buffer as Buffer, bytes)
      else receiver.landed(bytes)
      return true
    },
  }
  internals._handle = null
  internals._server = null
  const socket = new Socket({ handle, onread, allowHalfOpen: false } as ConstructorParameters<typeof Socket>[0])
  // The server counts it among its connections until it is closed.
  ;(socket as unknown as SocketInternals)._server = server
  socket.resume()
  return socket
}
