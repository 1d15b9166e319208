import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Receiver, receive } from './receive.js'

/** An accepted, paused socket, and the client's end of it. */
async function connected(context: TestContext) {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  context.after(() => {
    client.destroy()
    server.close()
  })
  return { server, client, accepted }
}

/** Keeps the first bytes apart, then wants all others in one buffer. */
class Landing implements Receiver {
  readonly place: Buffer
  filled = 0
  targets = 0
  expectsMuch = false
  onFull: () => void = () => {}

  constructor(bytes: number) {
    this.place = Buffer.alloc(bytes)
  }

  target(): Buffer | undefined {
    return this.filled === 0 || this.filled === this.place.length ? undefined : this.place.subarray(this.filled)
  }

  landed(bytes: number): void {
    this.targets++
    this.#advance(bytes)
  }

  received(chunk: Buffer, bytes: number): void {
    chunk.copy(this.place, this.filled, 0, bytes)
    this.#advance(bytes)
  }

  #advance(bytes: number): void {
    this.filled += bytes
    if (this.filled === this.place.length) this.onFull()
  }
}

const sent = Buffer.alloc(3_000_000, 'a piece of text that is not a power of two long, ')

async function receivedWhole(client: Socket, accepted: Socket): Promise<{ landing: Landing; socket: Socket }> {
  const landing = new Landing(sent.length)
  const full = new Promise<void>((resolve) => {
    landing.onFull = resolve
  })
  const socket = receive(accepted, landing)
  client.write(sent)
  await full
  assert.deepEqual(landing.place, sent)
  return { landing, socket }
}

test('bytes land where they are wanted, without a copy, on this version of node', async (context) => {
  const { client, accepted } = await connected(context)
  const { landing, socket } = await receivedWhole(client, accepted)
  assert.notEqual(socket, accepted)
  assert.ok(landing.targets > 0)
  assert.equal(socket.remoteAddress, '127.0.0.1')
})

test('of what is large little is read before its place is known', async (context) => {
  const { client, accepted } = await connected(context)
  const landing = new Landing(sent.length)
  landing.expectsMuch = true
  const full = new Promise<void>((resolve) => {
    landing.onFull = resolve
  })
  const first: number[] = []
  const { received } = landing
  landing.received = (chunk, bytes) => {
    first.push(bytes)
    received.call(landing, chunk, bytes)
  }
  client.write(sent)
  // All of it is there before it is read.
  await new Promise((resolve) => setTimeout(resolve, 50))
  receive(accepted, landing)
  await full
  assert.deepEqual(landing.place, sent)
  assert.deepEqual(first, [4 * 1024])
})

test('bytes come all the same where a socket cannot be told where to read to', async (context) => {
  const { client, accepted } = await connected(context)
  Object.defineProperty((accepted as unknown as { _handle: object })._handle, 'useUserBuffer', { value: undefined })
  const { landing, socket } = await receivedWhole(client, accepted)
  assert.equal(socket, accepted)
  assert.equal(landing.targets, 0)
})

test('answers, the end of the stream and the end of the server work as with any socket', async (context) => {
  const { server, client, accepted } = await connected(context)
  const { socket } = await receivedWhole(client, accepted)
  socket.write('answer')
  const [answer] = (await once(client, 'data')) as [Buffer]
  assert.equal(answer.toString(), 'answer')
  const closed = Promise.all([once(socket, 'close'), new Promise((resolve) => server.close(resolve))])
  client.end()
  await closed
})

test('a paused socket is not read until it is resumed', async (context) => {
  const { client, accepted } = await connected(context)
  const landing = new Landing(1_000)
  const socket = receive(accepted, landing)
  client.write(Buffer.alloc(1))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(landing.filled, 1)
  socket.pause()
  client.write(Buffer.alloc(998))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(landing.filled, 1)
  socket.resume()
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(landing.filled, 999)
})
