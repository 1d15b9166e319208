import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import kafkajs from 'kafkajs'
import { freePort } from './free-port.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { buildRoot } from './tools.js'

const { Kafka, logLevel } = kafkajs
/** An ApiVersions request, version 0. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])
const skip = externalBootstrap ? 'it needs a gateway of its own' : false

describe('several processes behind one port', { skip, concurrency: false }, () => {
  let gateway: Gateway
  before(async () => {
    gateway = await startGateway({ env: { HERACLITUS_PROCESSES: '3', HERACLITUS_STORAGE_FSYNC: 'false' } })
  })
  after(() => gateway.stop())

  const get = async (path: string) => fetch(`http://127.0.0.1:${gateway.metricsPort}${path}`)
  const pids = () => [...gateway.logs().matchAll(/"process":(\d),"pid":(\d+)/g)].map(([, , pid]) => Number(pid))
  const untilServing = async (count: number) => {
    for (let attempt = 0; ; attempt++) {
      const health = (await (await get('/health')).json()) as { status: string; processes: number }
      if (health.status === 'ok' && health.processes === count) return
      assert.ok(attempt < 100, JSON.stringify(health))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  test('each takes its share of the connections, and what one took the others give', { timeout: 60_000 }, async () => {
    await untilServing(3)
    const clients = Array.from({ length: 6 }, () => {
      const kafka = new Kafka({ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING })
      return { producer: kafka.producer(), admin: kafka.admin() }
    })
    const values: string[] = []
    for (const [index, { producer, admin }] of clients.entries()) {
      await admin.connect()
      if (index === 0) await admin.createTopics({ topics: [{ topic: 'shared', numPartitions: 1 }] })
      await producer.connect()
      await producer.send({ topic: 'shared', messages: [{ value: `from ${index}` }] })
      values.push(`from ${index}`)
      const [partition] = await admin.fetchTopicOffsets('shared')
      assert.equal(partition?.high, String(index + 1))
    }
    for (const { producer, admin } of clients) await Promise.all([producer.disconnect(), admin.disconnect()])
    const metrics = await (await get('/metrics')).text()
    for (const process of [1, 2, 3])
      assert.match(metrics, new RegExp(`heraclitus_requests_total\\{process="${process}",api="Produce".* [1-9]`))
    assert.match(metrics, /^heraclitus_processes 3$/m)

    const consumer = new Kafka({ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING }).consumer({ groupId: 'g' })
    await consumer.connect()
    await consumer.subscribe({ topic: 'shared', fromBeginning: true })
    const seen: string[] = []
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          async eachMessage({ message }) {
            seen.push(String(message.value))
            if (seen.length === values.length) resolve()
          },
        })
        .catch(reject)
    })
    await consumer.disconnect()
    assert.deepEqual(seen, values)
  })

  test('one that is killed is replaced, and clients go on', { timeout: 60_000 }, async () => {
    await untilServing(3)
    const producer = new Kafka({
      ...{ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING },
      retry: { initialRetryTime: 50, retries: 20 },
      // A connection that was just being given to the process that died is answered by nobody.
      requestTimeout: 2_000,
    }).producer({ idempotent: true })
    await producer.connect()
    for (const pid of pids()) {
      await producer.send({ topic: 'killed', messages: [{ value: 'before' }] })
      process.kill(pid, 'SIGKILL')
      await producer.send({ topic: 'killed', messages: [{ value: 'after' }] })
      await untilServing(3)
    }
    await producer.disconnect()
    await untilServing(3)
    assert.match(await (await get('/metrics')).text(), /^heraclitus_process_restarts_total 3$/m)
    assert.equal(pids().length, 6)
    const admin = new Kafka({ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const offsets = await admin.fetchTopicOffsets('killed')
    await admin.disconnect()
    assert.equal(
      offsets.reduce((sum, { high }) => sum + Number(high), 0),
      6,
    )
  })

  test('connections that were given to one which dies before it takes them are closed', {
    timeout: 60_000,
  }, async () => {
    await untilServing(3)
    const running = pids().slice(-3)
    for (const pid of running) process.kill(pid, 'SIGSTOP')
    const sockets = Array.from({ length: 9 }, () => connect(gateway.port, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    // The supervisor has accepted them, and passed them on.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const closed = sockets.map(
      (socket) => new Promise((resolve) => socket.on('error', () => {}).once('close', resolve)),
    )
    for (const pid of running.slice(0, 2)) process.kill(pid, 'SIGKILL')
    process.kill(running[2] as number, 'SIGCONT')
    // Those that the third was given, and some that the dead had not been given yet, are served.
    for (const socket of sockets) socket.resume().write(apiVersions)
    const answers = sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve)))
    await Promise.all(sockets.map((_, index) => Promise.race([closed[index], answers[index]])))
    for (const socket of sockets) socket.destroy()
    await untilServing(3)
  })

  test('they stop together when they are asked to', { timeout: 30_000 }, async () => {
    const running = pids().slice(-3)
    assert.equal(await gateway.terminate(), 0)
    for (const pid of running) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
})

test('a start that none of them can make ends with a reason', { skip, timeout: 30_000 }, async () => {
  const run = async (env: Record<string, string>) => {
    const child = spawn(process.execPath, [join(buildRoot, 'src/cli/heraclitus.js')], {
      ...{ cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] },
      env: { ...process.env, HERACLITUS_PROCESSES: '2', HERACLITUS_METRICS_PORT: '0', ...env },
    })
    let log = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
    const [code] = await once(child, 'close')
    return { code, log }
  }
  const port = String(await freePort())
  const shared = await run({ HERACLITUS_KAFKA_PORT: port, HERACLITUS_STORAGE_URL: 'memory:' })
  assert.equal(shared.code, 2)
  assert.match(shared.log, /HERACLITUS_PROCESSES = 2: expected 1 with storage.url = memory:/)
  const unreachable = await run({ HERACLITUS_KAFKA_PORT: port, HERACLITUS_STORAGE_URL: 'file:/dev/null/data' })
  assert.equal(unreachable.code, 1)
  assert.match(unreachable.log, /could not start/)
})
