import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { startOneAddress } from './one-address.js'

/** A server that says its name to whoever connects, and then what it is told. */
async function named(name: string): Promise<{ server: Server; at: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write(name)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, at: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function connect(port: number) {
  const socket = createConnection({ host: '127.0.0.1', port })
  const [name] = (await once(socket, 'data')) as [Buffer]
  return { socket, name: name.toString(), port: socket.localPort ?? 0 }
}

test('connections go to the targets in turn, or to one alone, and it is known which has which', async (context) => {
  const [a, b] = [await named('a'), await named('b')]
  const address = await startOneAddress()
  context.after(() => {
    address.close()
    a.server.close()
    b.server.close()
  })
  address.targets = [a.at, b.at]
  const first = await connect(address.port)
  const second = await connect(address.port)
  address.only = 0
  const third = await connect(address.port)
  const fourth = await connect(address.port)
  assert.deepEqual([first.name, second.name, third.name, fourth.name], ['a', 'b', 'a', 'a'])
  assert.deepEqual(
    [first, second, third].map(({ port }) => address.targetOf(port)),
    [0, 1, 0],
  )
  second.socket.write('echo')
  assert.equal(String((await once(second.socket, 'data'))[0]), 'echo')
})
