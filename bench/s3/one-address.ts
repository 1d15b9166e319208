import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

/** A load balancer on a port of its own: connections go to the targets in turn. */
export interface OneAddress {
  readonly port: number
  /** `host:port` of each; to be set before anybody connects. */
  targets: string[]
  /** New connections go to this target alone, for as long as it is set. */
  only: number | undefined
  /** Which target has the connection that comes from this port. */
  targetOf(clientPort: number): number | undefined
  close(): void
}

export async function startOneAddress(): Promise<OneAddress> {
  const targetByPort = new Map<number, number>()
  const sockets = new Set<Socket>()
  let turn = 0
  const server = createServer({ noDelay: true }, (client) => {
    const target = address.only ?? turn++ % address.targets.length
    targetByPort.set(client.remotePort ?? 0, target)
    const [host, port] = (address.targets[target] ?? '').split(':')
    const behind = createConnection({ host: host ?? '', port: Number(port), noDelay: true })
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(one)
      // Whatever ends one side ends the other.
      one.once('error', () => other.destroy())
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  const address: OneAddress = {
    port: bound.port,
    targets: [],
    only: undefined,
    targetOf: (clientPort) => targetByPort.get(clientPort),
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return address
}
