/** A child process with an IPC channel, as far as it is used here. */
export interface HandedTo {
  send(message: unknown, handle?: unknown, ...rest: unknown[]): boolean
  on(event: 'internalMessage', listener: (message: unknown) => void): unknown
  on(event: 'exit', listener: () => void): unknown
}

/** What node:cluster says when it gives a connection to a process, and what that answers once it has it. */
interface ClusterMessage {
  cmd?: unknown
  act?: unknown
  seq?: unknown
  ack?: unknown
}

/**
 * Closes the connections that were given to a process which ended before it took them.
 *
 * node:cluster accepts connections in the supervising process, gives each to one of the others, and forgets it when it is
 * told that it has arrived. If the other has died meanwhile, that never comes: the connection stays open, nobody reads it,
 * and its client waits until its own time-out; some clients go on to use it even then. Closed, it connects again at once.
 * Rests on messages that node does not document: where they look otherwise, nothing is changed.
 */
export function closeLostConnections(child: HandedTo): void {
  const underWay = new Map<unknown, { close(): void }>()
  const send = child.send.bind(child)
  child.send = (message, handle, ...rest) => {
    const { cmd, act, seq } = (message ?? {}) as ClusterMessage
    if (cmd === 'NODE_CLUSTER' && act === 'newconn' && isClosable(handle)) underWay.set(seq, handle)
    return send(message, handle, ...rest)
  }
  child.on('internalMessage', (message) => {
    const { cmd, ack } = (message ?? {}) as ClusterMessage
    if (cmd === 'NODE_CLUSTER' && ack !== undefined) underWay.delete(ack)
  })
  child.on('exit', () => {
    for (const handle of underWay.values()) handle.close()
    underWay.clear()
  })
}

function isClosable(handle: unknown): handle is { close(): void } {
  return typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function'
}
