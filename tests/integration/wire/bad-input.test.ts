import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, seededRandom } from '../../../src/base/random.js'
import { ErrorCode } from '../../../src/protocol/error-codes.js'
import { writeRequest } from '../../../src/protocol/frame.js'
import { ApiVersions } from '../../../src/protocol/messages/api-versions.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../../src/protocol/messages/delete-topics.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { ListOffsets } from '../../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { handlers } from '../../../src/server/handlers/table.js'
import { batchOf, createTopic, fetch, fetchRequest, produce, produceRequest } from './requests.js'
import { type ServerUnderTest, startServer } from './server-under-test.js'
import { connect, type WireClient } from './wire-client.js'

/** Another client, which must not notice anything. */
async function bystander(context: Parameters<typeof connect>[0], server: ServerUnderTest) {
  const client = await connect(context, server.port)
  await createTopic(client, 'bystander')
  let count = 0
  return async () => {
    const value = `value ${count}`
    assert.equal((await produce(client, 'bystander', batchOf([value]))).errorCode, ErrorCode.NONE)
    assert.deepEqual((await fetch(client, 'bystander', count)).values, [value])
    count++
  }
}

function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

function header(apiKey: number, apiVersion: number, correlationId = 1): Buffer {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(apiKey, 0)
  bytes.writeInt16BE(apiVersion, 2)
  bytes.writeInt32BE(correlationId, 4)
  bytes.writeInt16BE(-1, 8)
  return bytes
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(random.hex(length), 'hex')
}

test('bad lengths close the connection with a log line', async (context) => {
  const server = await startServer(context)
  const works = await bystander(context, server)
  for (const length of [-1, -2147483648, 2147483647, 104857601]) {
    const client = await connect(context, server.port)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    client.send(bytes)
    await client.closed()
    assert.ok(server.lines.some(({ problem }) => String(problem).includes(`a request of ${length} bytes`)))
    await works()
  }
  assert.deepEqual(server.closed, ['badRequest', 'badRequest', 'badRequest', 'badRequest'])
})

test('unknown APIs and versions, empty and truncated frames close the connection with a log line', async (context) => {
  const server = await startServer(context)
  const works = await bystander(context, server)
  const frames = [
    Buffer.alloc(0),
    Buffer.alloc(9),
    header(999, 0),
    header(-1, 0),
    header(4, 1),
    header(0, 2),
    header(0, 14),
    header(1, 3),
    header(1, -1),
    header(3, 99),
    header(3, 9),
    Buffer.concat([header(3, 1), Buffer.from([0x7f, 0xff, 0xff, 0xff])]),
  ]
  for (const frame of frames) {
    const client = await connect(context, server.port)
    client.send(framed(frame))
    await client.closed()
    await works()
  }
  assert.equal(server.closed.length, frames.length)
  const complaint = server.lines.find(({ apiKey }) => apiKey === 999)
  assert.equal(complaint?.msg, 'connection closed: unsupported API')
  assert.match(String(complaint?.client), /^127\.0\.0\.1:\d+$/)
})

test('bytes after the end of a request are ignored, as Kafka ignores them', async (context) => {
  const server = await startServer(context)
  const client = await connect(context, server.port)
  client.send(framed(Buffer.concat([header(18, 0, 7), Buffer.from('more than there should be')])))
  const { correlationId } = await client.answer(ApiVersions, 0)
  assert.equal(correlationId, 7)
})

test('a client that is wrong over and over does not flood the log', async (context) => {
  const server = await startServer(context)
  for (let i = 0; i < 50; i++) {
    const client = await connect(context, server.port)
    client.send(framed(header(999, 0)))
    await client.closed()
  }
  assert.equal(server.lines.filter(({ apiKey }) => apiKey === 999).length, 10)
})

test('random frames never harm the server or other clients', async (context) => {
  const server = await startServer(context)
  const works = await bystander(context, server)
  const random = seededRandom(11)
  for (let round = 0; round < 300; round++) {
    const client = await connect(context, server.port)
    const { api } = handlers[Math.floor(random.next() * handlers.length)] ?? {}
    assert.ok(api)
    const [from, to] = api.versions
    const version = from + Math.floor(random.next() * (to - from + 1))
    const body = randomBytes(random, Math.floor(random.next() * 200))
    // Half of them are noise from the first byte on, half have a header that is right.
    client.send(framed(random.next() < 0.5 ? body : Buffer.concat([header(api.key, version), body])))
    if (random.next() < 0.5) client.send(randomBytes(random, 30))
    client.socket.end()
    await client.closed()
    if (round % 30 === 0) await works()
  }
  await works()
  assert.deepEqual(server.fatal, [])
  assert.deepEqual(
    server.lines.filter(({ level }) => Number(level) >= 50),
    [],
  )
})

test('requests with flipped bits never harm the server or other clients', async (context) => {
  const server = await startServer(context)
  const works = await bystander(context, server)
  const random = seededRandom(12)
  const topic = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  const good = [
    ...[3, 8, 9, 12].map((version) =>
      writeRequest(Produce, version, 1, 'x', produceRequest('bystander', batchOf(['y']))),
    ),
    ...[4, 11, 12].map((version) => writeRequest(Fetch, version, 1, 'x', fetchRequest('bystander', 0))),
    ...[1, 9, 12].map((version) => writeRequest(Metadata, version, 1, 'x', { topics: [{ name: 'bystander' }] })),
    ...[2, 7].map((version) => writeRequest(CreateTopics, version, 1, 'x', { topics: [{ ...topic, name: 'q' }] })),
    writeRequest(ListOffsets, 7, 1, 'x', {
      replicaId: -1,
      topics: [{ name: 'bystander', partitions: [{ partitionIndex: 0, timestamp: 5 }] }],
    }),
    writeRequest(DeleteTopics, 5, 1, 'x', { topicNames: ['another'], timeoutMs: 10 }),
  ].map((chunks) => Buffer.concat(chunks))
  for (let round = 0; round < 400; round++) {
    const frame = Buffer.from(good[Math.floor(random.next() * good.length)] ?? Buffer.alloc(0))
    for (let flips = 1 + Math.floor(random.next() * 4); flips > 0; flips--) {
      const at = 4 + Math.floor(random.next() * (frame.length - 4))
      frame[at] = (frame[at] ?? 0) ^ (1 << Math.floor(random.next() * 8))
    }
    // The topic that the bystander works with stays.
    if (frame.includes('bystander') && frame.readInt16BE(4) === Produce.key)
      frame.write('bystandex', frame.indexOf('bystander'))
    const client = await connect(context, server.port)
    client.send(frame)
    await Promise.race([client.frame(), sleep(20)])
    client.close()
    if (round % 40 === 0) await works()
  }
  await works()
  assert.deepEqual(server.fatal, [])
  assert.deepEqual(
    server.lines.filter(({ level }) => Number(level) >= 50),
    [],
  )
})

test('a frame in single bytes is a frame like any other', async (context) => {
  const server = await startServer(context)
  const client = await connect(context, server.port)
  const frame = Buffer.concat(writeRequest(ApiVersions, 0, 5, 'slow', {}))
  for (const byte of frame) {
    client.send(Buffer.from([byte]))
    await sleep(1)
  }
  const { correlationId } = await client.answer(ApiVersions, 0)
  assert.equal(correlationId, 5)
})

test('frames announced and never sent take no memory and stop nobody', async (context) => {
  const server = await startServer(context, { limits: { frameStallTimeoutMs: 1_500 } })
  const works = await bystander(context, server)
  const before = process.memoryUsage().rss
  const clients: WireClient[] = []
  const length = Buffer.alloc(4)
  length.writeInt32BE(100 * 1024 * 1024)
  for (let i = 0; i < 100; i++) {
    const client = await connect(context, server.port)
    client.send(Buffer.concat([length, Buffer.alloc(100)]))
    clients.push(client)
  }
  for (let i = 0; i < 20; i++) await works()
  assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024)
  // Those that hold a part of the budget are closed for their silence, and the others have their turn.
  await clients[0]?.closed()
  await clients[1]?.closed()
  assert.ok(server.closed.includes('frameTimeout'))
  await works()
})
