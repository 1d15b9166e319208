import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorCode } from '../../../src/protocol/error-codes.js'
import { ApiVersions } from '../../../src/protocol/messages/api-versions.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { batchOf, createTopic, fetch, fetchRequest, produce, produceRequest, valuesIn } from './requests.js'
import { startServer } from './server-under-test.js'
import { connect, WireClient } from './wire-client.js'

test('many requests sent at once are answered in order, and their records keep it', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'ordered')
  const sent: number[] = []
  const count = 500
  for (let i = 0; i < count; i++) {
    sent.push(client.start(Produce, 9, produceRequest('ordered', batchOf([String(i)]))))
    if (i % 50 === 0) sent.push(client.start(Metadata, 9, { topics: [] }))
  }
  let offset = 0
  for (let i = 0, request = 0; i < count; i++) {
    const { correlationId, response } = await client.answer(Produce, 9)
    assert.equal(correlationId, sent[request++])
    const answer = response.responses[0]?.partitionResponses[0]
    assert.equal(answer?.errorCode, ErrorCode.NONE)
    assert.equal(answer?.baseOffset, offset++)
    if (i % 50 === 0) assert.equal((await client.answer(Metadata, 9)).correlationId, sent[request++])
  }
  const { values } = await fetch(client, 'ordered', 0)
  assert.deepEqual(
    values,
    Array.from({ length: count }, (_, i) => String(i)),
  )
})

test('a produce of an unknown topic does not let later ones pass', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'known')
  client.start(Produce, 9, produceRequest('unknown', batchOf(['x'])))
  client.start(Produce, 9, produceRequest('known', batchOf(['y'])))
  const first = await client.answer(Produce, 9)
  const second = await client.answer(Produce, 9)
  const codes = [first, second].map(({ response }) => response.responses[0]?.partitionResponses[0]?.errorCode)
  assert.deepEqual(codes, [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NONE])
})

test('a large request arrives whole', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'large', 1, [{ name: 'max.message.bytes', value: '20000000' }])
  const value = 'x'.repeat(15_000_000)
  assert.equal((await produce(client, 'large', batchOf([value]))).errorCode, ErrorCode.NONE)
  const { values } = await fetch(client, 'large', 0, { partitionMaxBytes: 20_000_000 })
  assert.equal(values[0]?.length, value.length)
})

test('a client that reads nothing is not gathered for without end, and is closed', async (context) => {
  const server = await startServer(context, { limits: { writeStallTimeoutMs: 700, responseBytesPendingMax: 2 ** 20 } })
  const other = await connect(context, server.port)
  await createTopic(other, 'heavy')
  for (let i = 0; i < 10; i++) await produce(other, 'heavy', batchOf(['x'.repeat(900_000)]))

  const socket = createConnection({ port: server.port, host: '127.0.0.1' })
  context.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  const slow = new WireClient(socket)
  socket.pause()
  const answeredBefore = server.requests.length
  for (let i = 0; i < 60; i++)
    slow.start(Fetch, 12, fetchRequest('heavy', 0, { maxBytes: 10_000_000, partitionMaxBytes: 10_000_000 }))
  await sleep(300)
  // Some go into the sockets' own buffers; the rest waits to be started.
  assert.ok(server.requests.length - answeredBefore < 10, `${server.requests.length - answeredBefore} answered`)
  assert.equal((await fetch(other, 'heavy', 0)).values.length, 1)
  while (!server.closed.includes('writeTimeout')) await sleep(50)
  assert.equal((await fetch(other, 'heavy', 0)).values.length, 1)
})

test('a client that reads late gets everything', async (context) => {
  const server = await startServer(context, { limits: { responseBytesPendingMax: 2 ** 20 } })
  const client = await connect(context, server.port)
  await createTopic(client, 'late')
  for (let i = 0; i < 5; i++) await produce(client, 'late', batchOf(['x'.repeat(900_000)]))
  client.socket.pause()
  const count = 15
  for (let i = 0; i < count; i++) client.start(Fetch, 12, fetchRequest('late', 0, { partitionMaxBytes: 5_000_000 }))
  await sleep(200)
  client.socket.resume()
  for (let i = 0; i < count; i++) {
    const { response } = await client.answer(Fetch, 12)
    assert.equal(valuesIn(response.responses[0]?.partitions[0]?.records ?? null).length, 5)
  }
})

test('a thousand connections are served', async (context) => {
  const server = await startServer(context)
  const clients = await Promise.all(Array.from({ length: 1000 }, () => connect(context, server.port)))
  await Promise.all(clients.map((client) => client.call(ApiVersions, 0, {})))
  assert.equal(server.listener.connectionCount, 1000)
  await createTopic(clients[0] as WireClient, 'crowd')
  const answers = await Promise.all(clients.map((client, i) => produce(client, 'crowd', batchOf([String(i)]))))
  assert.deepEqual(
    answers.map(({ baseOffset }) => baseOffset).sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  )
  for (const client of clients) client.close()
  while (server.listener.connectionCount > 0) await sleep(10)
})

test('a connection beyond the limit is closed at once, and one that ends makes room', async (context) => {
  const server = await startServer(context, { connectionsMax: 2 })
  const one = await connect(context, server.port)
  const two = await connect(context, server.port)
  assert.equal((await two.call(ApiVersions, 0, {})).errorCode, ErrorCode.NONE)
  const three = await connect(context, server.port)
  await three.closed()
  assert.ok(server.lines.some(({ msg }) => msg === 'connection refused: too many are open'))
  one.close()
  while (server.listener.connectionCount > 1) await sleep(5)
  const four = await connect(context, server.port)
  assert.equal((await four.call(ApiVersions, 0, {})).errorCode, ErrorCode.NONE)
})

test('half-open handshakes, half requests and idle connections are closed after their time-outs', async (context) => {
  const server = await startServer(context, {
    limits: { handshakeTimeoutMs: 500, frameStallTimeoutMs: 500 },
    idleTimeoutMs: 2_500,
  })
  const silent = await connect(context, server.port)
  const half = await connect(context, server.port)
  await half.call(ApiVersions, 0, {})
  half.send(Buffer.from([0, 0, 0, 20, 0, 3]))
  const idle = await connect(context, server.port)
  await idle.call(ApiVersions, 0, {})
  const busy = await connect(context, server.port)
  await createTopic(busy, 'busy')
  const waiting = fetch(busy, 'busy', 0, { maxWaitMs: 4_500 })
  await Promise.all([silent.closed(), half.closed(), idle.closed()])
  assert.deepEqual(new Set(server.closed), new Set(['frameTimeout', 'handshakeTimeout', 'idleTimeout']))
  // A long poll is not idleness.
  assert.deepEqual((await waiting).values, [])
})

test('a client that goes while it waits leaves nothing behind', async (context) => {
  const server = await startServer(context)
  const client = await connect(context, server.port)
  await createTopic(client, 'left')
  client.start(Fetch, 12, fetchRequest('left', 0, { maxWaitMs: 60_000 }))
  await sleep(20)
  client.close()
  while (server.listener.connectionCount > 0) await sleep(5)
  assert.deepEqual(server.closed, ['client'])
  assert.equal(server.requests.at(-1)?.api, 'Fetch')
  assert.ok((server.requests.at(-1)?.seconds ?? 60) < 10)
})

test('closing answers what is under way, long polls included, and takes nothing new', async (context) => {
  const server = await startServer(context)
  const waiter = await connect(context, server.port)
  const producer = await connect(context, server.port)
  await createTopic(producer, 'closing')
  waiter.start(Fetch, 12, fetchRequest('closing', 0, { maxWaitMs: 60_000, minBytes: 1_000_000 }))
  await sleep(20)
  const sent = 20
  for (let i = 0; i < sent; i++) producer.start(Produce, 9, produceRequest('closing', batchOf(['x'])))
  await producer.answer(Produce, 9)
  const startedAt = performance.now()
  await server.listener.close(10_000)
  assert.ok(performance.now() - startedAt < 5_000)
  const { response } = await waiter.answer(Fetch, 12)
  assert.equal(response.responses[0]?.partitions[0]?.errorCode, ErrorCode.NONE)
  let answered = 1
  while ((await producer.frame()) !== undefined) answered++
  // What was stored was answered, and the other way round.
  const [topic] = [...server.cluster.topics.all()]
  assert.equal(server.cluster.logs.offsets(topic?.id ?? '', 0)?.highWatermark, answered)
  await assert.rejects(connect(context, server.port))
})

test('a client that sends on while the server closes loses no answer to a reset', async (context) => {
  const server = await startServer(context)
  const client = await connect(context, server.port)
  await createTopic(client, 'large', 1, [{ name: 'max.message.bytes', value: '20000000' }])
  const value = 'x'.repeat(3_000_000)
  await produce(client, 'large', batchOf([value]))
  // The client has yet to read the answer when the server closes, and its next request comes too late.
  client.socket.pause()
  client.start(Fetch, 12, fetchRequest('large', 0, { maxBytes: 10_000_000, partitionMaxBytes: 10_000_000 }))
  while (server.requests.at(-1)?.api !== 'Fetch') await sleep(5)
  const closing = server.listener.close(10_000)
  client.start(Produce, 9, produceRequest('large', batchOf(['too late'])))
  await sleep(200)
  client.socket.resume()
  const { response } = await client.answer(Fetch, 12)
  assert.equal(valuesIn(response.responses[0]?.partitions[0]?.records ?? null)[0]?.length, value.length)
  assert.equal(await client.frame(), undefined)
  await closing
  const [topic] = [...server.cluster.topics.all()]
  assert.equal(server.cluster.logs.offsets(topic?.id ?? '', 0)?.highWatermark, 1, 'what came too late is not stored')
})

test('a client that never closes its side does not hold up the closing', async (context) => {
  const server = await startServer(context)
  const socket = createConnection({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
  context.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  const startedAt = performance.now()
  await server.listener.close(10_000)
  assert.ok(performance.now() - startedAt < 5_000)
})

test('every request is observed with its error and its bytes', async (context) => {
  const server = await startServer(context)
  const client = await connect(context, server.port)
  await createTopic(client, 'observed')
  await produce(client, 'observed', batchOf(['x']), { acks: 5 })
  const request = server.requests.at(-1)
  assert.equal(request?.api, 'Produce')
  assert.equal(request?.version, 9)
  assert.equal(request?.errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
  assert.ok((request?.requestBytes ?? 0) > 60)
  assert.ok((request?.responseBytes ?? 0) > 20)
})
