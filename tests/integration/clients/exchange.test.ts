import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Gateway, startGateway } from '../gateway.js'
import { goProgram, javaProgram, lookFor, nodeProgram, pythonProgram } from '../tools.js'
import { ClientProcess, type Compression } from './driver.js'

const all: Compression[] = ['none', 'gzip', 'lz4', 'snappy', 'zstd']
const withoutZstd = all.slice(0, 4)

const clients = [
  { name: 'kafkajs', found: await lookFor('kafkajs', () => nodeProgram('kafkajs-client')), codecs: withoutZstd },
  {
    name: '@platformatic/kafka',
    found: await lookFor('@platformatic/kafka', () => nodeProgram('platformatic-client')),
    codecs: all.slice(0, 3), // it can't read the framed snappy of Java and kafkajs
  },
  { name: 'librdkafka', found: await lookFor('confluent-kafka', pythonProgram), codecs: all },
  { name: 'franz-go', found: await lookFor('franz-go', goProgram), codecs: all },
  { name: 'Java', found: await lookFor('kafka-clients 4.3.1', () => javaProgram('4.3.1')), codecs: all },
]

/** The clients speak different versions of Produce and Fetch: what one wrote, every other reads. */
describe('what one client writes, every other reads', { concurrency: false }, () => {
  let gateway: Gateway
  const running = new Map<string, ClientProcess>()

  before(async () => {
    gateway = await startGateway()
    for (const { name, found } of clients) {
      if (found.tool) running.set(name, new ClientProcess(found.tool, gateway.bootstrap))
    }
  })
  after(async () => {
    await Promise.all([...running.values()].map((client) => client.close()))
    await gateway.stop()
  })

  for (const compression of all) {
    const able = clients.filter((client) => client.codecs.includes(compression))
    test(`compressed with ${compression}`, { timeout: 90_000 }, async (t) => {
      const topic = `x-${randomUUID()}`
      let count = 0
      for (const { name } of able) {
        const writer = running.get(name)
        if (!writer) continue
        if (count === 0) await writer.call('create', { topic, partitions: 1 })
        for (const idempotent of [false, true]) {
          const records = Array.from({ length: 10 }, (_, n) => ({
            partition: 0,
            key: `${name} ${idempotent}`,
            value: `${n} ${'repeated '.repeat(n)}`,
            headers: { by: name },
          }))
          await writer.call('produce', { topic, compression, idempotent, records })
          count += records.length
        }
      }
      const seen = new Map<string, unknown>()
      for (const { name } of able) {
        const reader = running.get(name)
        if (!reader) {
          t.diagnostic(`${name} is not here to read`)
          continue
        }
        const { records } = await reader.call('consume', { topic, count })
        assert.deepEqual(
          records.map(({ offset }) => offset),
          Array.from({ length: count }, (_, n) => n),
          `${name} sees every offset once`,
        )
        seen.set(name, records)
      }
      if (seen.size === 0) return t.skip(`no client that has ${compression} is here`)
      const [[first, expected] = ['', undefined], ...others] = seen
      assert.ok(expected)
      for (const [name, records] of others) assert.deepEqual(records, expected, `${name} sees what ${first} sees`)
    })
  }
})
