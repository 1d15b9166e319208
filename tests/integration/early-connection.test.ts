import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.js'
import { buildRoot } from './tools.js'

/** ApiVersions, version 0, correlation id 1, no client id. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

test('a connection that comes before a process knows that it listens is served', { timeout: 30_000 }, async (t) => {
  const port = await freePort()
  cluster.setupPrimary({ exec: join(buildRoot, 'tests/integration/early-connection.js'), args: [String(port)] })
  const worker = cluster.fork()
  t.after(() => worker.process.kill('SIGKILL'))
  const socket = await connected(port)
  t.after(() => socket.destroy())
  socket.write(apiVersions)
  const [answer] = (await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [])])) as [Buffer?]
  assert.ok(answer !== undefined, 'the connection was closed')
  assert.equal(answer.readInt32BE(4), 1)
})

/** A connection to that port of this machine, once somebody listens there. */
async function connected(port: number) {
  for (;;) {
    const socket = createConnection({ host: '127.0.0.1', port })
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
      await sleep(5)
    }
  }
}
