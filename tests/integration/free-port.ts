import { once } from 'node:events'
import { createServer } from 'node:net'

/*
 * Ports lie below the range from which the system takes ports for outgoing connections: a client that tries again
 * and again to reach a server that is down would, sooner or later, be given that very port for itself. Each process
 * gives them from a block of its own, one after the other: a gateway may listen only 10 s after its port was chosen
 * (when its store is slow to answer), and a suite beside it would by then have chosen the same.
 */
const lowest = 15_000
const highest = 30_000
const blockSize = 100
const block = lowest + (process.pid % ((highest - lowest) / blockSize)) * blockSize
let next = Math.floor(Math.random() * blockSize)

/** A port of 127.0.0.1 that nobody listens on and that this process was not given in its last 100 calls or so. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < blockSize; attempt++) {
    const port = block + next
    next = (next + 1) % blockSize
    if (await isFree(port)) return port
  }
  throw new Error(`no port is free between ${block} and ${block + blockSize}`)
}

/** Whether nobody listens on this port of 127.0.0.1 just now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!isListening) return false
  server.close()
  await once(server, 'close')
  return true
}
