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
  accepted?: unknown
}

interface Closable {
  close(): void
}

/**
 * Closes the connections that were given to a process which ended before it took them.
 *
 * node:cluster accepts connections in the supervising process, gives each to one of the others, and forgets it when it is
 * told that it has arrived. If the other has died meanwhile, that never comes: the connection stays open, nobody reads it,
 * and its client waits until its own time-out; some clients go on to use it even then. Closed, it connects again at once.
 * And one that is refused by the last process, as that stops, waits for another for ever: the supervising process would not end.
 * Rests on messages that node does not document: where they look otherwise, nothing is changed.
 */
export class LostConnections {
  /** Given to somebody who would not take them, and not taken by anybody since. */
  readonly #refused = new Set<Closable>()

  /** Looks after what is given to a process that has just been started. */
  watch(child: HandedTo): void {
    const underWay = new Map<unknown, Closable>()
    const send = child.send.bind(child)
    child.send = (message, handle, ...rest) => {
      const { cmd, act, seq } = (message ?? {}) as ClusterMessage
      if (cmd === 'NODE_CLUSTER' && act === 'newconn' && isClosable(handle)) underWay.set(seq, handle)
      return send(message, handle, ...rest)
    }
    child.on('internalMessage', (message) => {
      const { cmd, ack, accepted } = (message ?? {}) as ClusterMessage
      const handle = cmd === 'NODE_CLUSTER' ? underWay.get(ack) : undefined
      if (handle === undefined) return
      underWay.delete(ack)
      if (accepted === true) this.#refused.delete(handle)
      else this.#refused.add(handle)
    })
    child.on('exit', () => {
      for (const handle of underWay.values()) {
        handle.close()
        this.#refused.delete(handle)
      }
      underWay.clear()
    })
  }

  /** All processes have ended: nobody will take what is left. */
  close(): void {
    for (const handle of this.#refused) handle.close()
    this.#refused.clear()
  }
}

function isClosable(handle: unknown): handle is Closable {
  return typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function'
}
