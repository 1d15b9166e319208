import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Consumer, Kafka, logLevel, type Producer } from 'kafkajs'
import { eventually } from './clients/driver.js'
import { freePort } from './free-port.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { ledger } from './ledger-command.js'
import { type SharedStorage, storages } from './storages.js'

/** Real clients on a cluster of three ledgers, whose instances come and go, and tell clients of each other. */

const skip = externalBootstrap ? 'it needs gateways of its own' : false
const partitions = 12
const topic = 'orders'

for (const kind of storages)
  describe(`three ledgers on ${kind.name}`, { skip: skip || kind.skip, concurrency: false }, () => {
    severalLedgers(kind)
  })

function severalLedgers(kind: (typeof storages)[number]): void {
  let storage: SharedStorage
  const gateways = new Set<Gateway>()
  const clients: { disconnect(): Promise<void> }[] = []

  const start = async (env: Record<string, string> = {}, ports: { port?: number; metricsPort?: number } = {}) => {
    const { options } = storage
    const gateway = await startGateway({ ...options, ...ports, env: { ...options.env, ...env } })
    gateways.add(gateway)
    return gateway
  }
  const steered = async (port?: number) => {
    const own = port ?? (await freePort())
    const env = { HERACLITUS_STEERING: 'true', HERACLITUS_ADVERTISED_HOST: '127.0.0.1' }
    return start({ ...env, HERACLITUS_RACK: `rack-${own}` }, { port: own })
  }
  const kafka = (...brokers: Gateway[]) =>
    new Kafka({
      brokers: brokers.map(({ bootstrap }) => bootstrap),
      clientId: 'several-ledgers',
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 },
    })
  const connected = async <Client extends { connect(): Promise<void>; disconnect(): Promise<void> }>(
    client: Client,
  ): Promise<Client> => {
    await client.connect()
    clients.push(client)
    return client
  }
  const sent: string[] = []
  const send = async (producer: Producer, count: number) => {
    const values = Array.from({ length: count }, (_, i) => `${sent.length + i}`)
    const messages = values.map((value) => ({ partition: Number(value) % partitions, value }))
    await producer.send({ topic, acks: -1, messages })
    sent.push(...values)
  }
  /** A member that notes what it is given. */
  const member = async (from: Kafka, groupId: string, seen: string[]): Promise<Consumer> => {
    const consumer = await connected(from.consumer({ groupId, sessionTimeout: 10_000, heartbeatInterval: 500 }))
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommitInterval: 200,
      eachMessage: async ({ message }) => {
        seen.push(`${message.value}`)
      },
    })
    return consumer
  }
  const all = (name: string, seen: string[]) =>
    eventually(
      name,
      40_000,
      () => new Set(seen).size === sent.length,
      () => `${new Set(seen).size} of ${sent.length}`,
    )

  before(async () => {
    storage = await kind.make()
  })
  after(async () => {
    await Promise.allSettled(clients.map((client) => client.disconnect()))
    await Promise.all([...gateways].map((gateway) => gateway.stop()))
    await storage.remove()
  })

  test('topics, records and groups are there after a restart', { timeout: 90_000 }, async () => {
    const gateway = await start({ HERACLITUS_STORAGE_LEDGERS: '3' })
    const client = kafka(gateway)
    const admin = await connected(client.admin())
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions }] })
    const producer = await connected(client.producer({ idempotent: true }))
    for (let i = 0; i < 10; i++) await send(producer, 30)
    const groups = ['first', 'second', 'third', 'fourth', 'fifth']
    const seen = new Map(groups.map((groupId) => [groupId, [] as string[]]))
    const members = await Promise.all(groups.map((groupId) => member(client, groupId, seen.get(groupId) ?? [])))
    for (const [groupId, values] of seen) await all(`${groupId} has read all`, values)
    await Promise.all(members.map((each) => each.disconnect()))

    assert.equal(await gateway.terminate(), 0)
    const again = await start({}, gateway)
    await send(producer, 30)
    for (const [groupId, values] of seen) {
      const reader = await member(client, groupId, values)
      await all(`${groupId} goes on`, values)
      await reader.disconnect()
      assert.equal(values.length, sent.length, 'where it had stood')
    }
    const described = await admin.listGroups()
    assert.deepEqual(new Set(described.groups.map(({ groupId }) => groupId)), new Set(groups))
    const offsets = await admin.fetchTopicOffsets(topic)
    assert.equal(
      offsets.reduce((sum, { high }) => sum + Number(high), 0),
      sent.length,
    )
    assert.equal(await again.terminate(), 0)
    gateways.delete(gateway)
    gateways.delete(again)
  })

  test('another number of ledgers is refused, with what is expected', { timeout: 30_000 }, async () => {
    await assert.rejects(start({ HERACLITUS_STORAGE_LEDGERS: '2' }), /storage\.ledgers = 2: expected 3, or no value/)
  })

  test('clients are told of all instances, and use them as they are told', { timeout: 120_000 }, async () => {
    const [a, b] = await Promise.all([steered(), steered()])
    const client = kafka(a)
    const admin = await connected(client.admin())
    const brokers = async () => (await admin.describeCluster()).brokers.map(({ port }) => port).sort((x, y) => x - y)
    await eventually(
      'both are told of',
      10_000,
      async () => `${await brokers()}` === `${[a.port, b.port].sort((x, y) => x - y)}`,
    )
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const leaders = topics[0]?.partitions.map(({ leader }) => leader) ?? []
    assert.equal(leaders.length, partitions)
    assert.equal(new Set(leaders).size, 2, 'each leads some')

    // One that has been told of both goes on when one of them dies, and sends again what may not have arrived.
    const producer = await connected(client.producer({ idempotent: true, maxInFlightRequests: 1 }))
    await send(producer, 60)
    const seen: string[] = []
    const members = await Promise.all([member(client, 'steered', seen), member(client, 'steered', seen)])
    await all('both members have read all', seen)
    await b.kill()
    gateways.delete(b)
    for (let i = 0; i < 5; i++) await send(producer, 30)
    await all('what was written without the other is read', seen)
    await eventually(
      'nobody is told of the dead one any more',
      30_000,
      async () => `${await brokers()}` === `${a.port}`,
    )

    const c = await steered()
    await eventually('the new one is told of', 10_000, async () => (await brokers()).includes(c.port))
    await send(producer, 60)
    await all('all is read', seen)
    // One that ends says so.
    assert.equal(await c.terminate(), 0)
    gateways.delete(c)
    await sleep(100)
    assert.deepEqual(await brokers(), [a.port])
    await send(producer, 30)
    await all('and the rest', seen)
    await Promise.all(members.map((each) => each.disconnect()))
  })

  test('verify and inspect know all ledgers', { timeout: 60_000 }, async () => {
    const [gateway] = gateways
    assert.ok(gateway)
    const { env = {} } = storage.options
    const verified = await ledger(['verify', '--storage', gateway.storage], env)
    assert.equal(verified.code, 0, verified.out + verified.err)
    for (const number of [0, 1, 2]) assert.match(verified.out, new RegExp(`^ledger ${number}  entries`, 'm'))
    assert.match(verified.out, new RegExp(`^topics    1, ${partitions} partitions, ${sent.length} offsets$`, 'm'))
    const inspected = await ledger(['inspect', '--storage', gateway.storage, '--ledger', '2'], env)
    assert.match(inspected.out, /^ledger {4}2, of 3$/m)
    const refused = await ledger(['inspect', '--storage', gateway.storage, '--ledger', '3'], env)
    assert.deepEqual([refused.code, refused.err.includes('--ledger 3: expected 0 to 2')], [2, true])
  })
}
