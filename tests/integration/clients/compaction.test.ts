import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { batchesIn } from '../../../src/protocol/records/batch.js'
import { decodeRecords } from '../../../src/protocol/records/record.js'
import { externalBootstrap, type Gateway, startGateway } from '../gateway.js'
import { goProgram, javaProgram, lookFor, nodeProgram, pythonProgram } from '../tools.js'
import { createTopic, fetch } from '../wire/requests.js'
import { connect, type WireClient } from '../wire/wire-client.js'
import { ClientProcess, type Compression, eventually, type RecordToSend } from './driver.js'

const clients = [
  { name: 'kafkajs', found: await lookFor('kafkajs', () => nodeProgram('kafkajs-client')), codecs: 4 },
  {
    name: '@platformatic/kafka',
    found: await lookFor('@platformatic/kafka', () => nodeProgram('platformatic-client')),
    codecs: 3,
  },
  { name: 'librdkafka', found: await lookFor('confluent-kafka', pythonProgram), codecs: 5 },
  { name: 'franz-go', found: await lookFor('franz-go', goProgram), codecs: 5 },
  { name: 'Java', found: await lookFor('kafka-clients 4.3.1', () => javaProgram('4.3.1')), codecs: 5 },
]
const codecs: Compression[] = ['none', 'gzip', 'lz4', 'snappy', 'zstd']
const keys = 5
const skip = externalBootstrap ? 'another broker compacts when it pleases' : false

/** The records of a partition as `offset:key=value`. */
async function recordsOf(client: WireClient, topic: string): Promise<string[]> {
  const { records } = await fetch(client, topic, 0)
  return [...batchesIn(records ?? Buffer.alloc(0))]
    .flatMap((batch) => decodeRecords(batch))
    .map(({ offset, key, value }) => `${offset}:${key}=${value}`)
}

describe('a compacted topic', { skip, concurrency: false }, () => {
  let gateway: Gateway

  before(async () => {
    const env = { HERACLITUS_STORAGE_COMPACT_INTERVAL_MS: '1000', HERACLITUS_STORAGE_COMPACT_AGE_MS: '1000' }
    gateway = await startGateway({ env })
  })
  after(() => gateway.stop())

  for (const { name, found, codecs: count } of clients)
    test(`${name} finds the last value of each key`, { skip: found.skip, timeout: 120_000 }, async (context) => {
      if (!found.tool) throw new Error(`${name} is missing`)
      const client = new ClientProcess(found.tool, gateway.bootstrap)
      context.after(() => client.close())
      const wire = await connect(context, gateway.port)
      const topic = `compacted-${randomUUID()}`
      await createTopic(wire, topic, 1, [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'min.cleanable.dirty.ratio', value: '0.01' },
        { name: 'delete.retention.ms', value: '1500' },
      ])
      let sent = 0
      const produce = async (records: RecordToSend[], compression: Compression, idempotent: boolean) => {
        await client.call('produce', { topic, compression, idempotent, records })
        sent += records.length
      }
      for (const compression of codecs.slice(0, count))
        for (const idempotent of [false, true])
          await produce(
            Array.from({ length: 20 }, (_, n) => ({
              partition: 0,
              key: `key ${n % keys}`,
              value: `${sent + n}`,
              headers: { n: `${n}` },
            })),
            compression,
            idempotent,
          )
      const latest = Array.from({ length: keys }, (_, n) => `${sent - keys + n}:key ${n}=${sent - keys + n}`)
      await produce([{ partition: 0, key: 'key 0', value: null }], 'none', false)
      await produce([{ partition: 0, key: 'last', value: 'last' }], 'none', true)
      const expected = [...latest.slice(1), `${sent - 1}:last=last`]
      let seen: string[] = []
      await eventually(
        'only the last value of each key is there',
        60_000,
        async () => {
          seen = await recordsOf(wire, topic)
          return seen.join() === expected.join()
        },
        () => seen,
      )
      const read = async (how: 'consume' | 'groupConsume') => {
        const group = `group-${topic}`
        const { records } =
          how === 'consume'
            ? await client.call('consume', { topic, count: expected.length })
            : await client.call('groupConsume', { topic, group, count: expected.length })
        return records.map(({ offset, key, value }) => `${offset}:${key}=${value}`)
      }
      assert.deepEqual(await read('consume'), expected)
      assert.deepEqual(await read('groupConsume'), expected)
      assert.deepEqual((await client.call('committed', { topic, group: `group-${topic}` })).offsets, { 0: sent })
      assert.deepEqual(await client.call('offsets', { topic }), { earliest: { 0: 0 }, latest: { 0: sent } })

      // And it goes on: what is cleaned is cleaned again with what comes.
      await produce([{ partition: 0, key: 'key 1', value: 'new' }], 'gzip', true)
      const later = [...expected.filter((text) => !text.includes('key 1')), `${sent - 1}:key 1=new`]
      await eventually(
        'the older value is gone',
        60_000,
        async () => {
          seen = await recordsOf(wire, topic)
          return seen.join() === later.join()
        },
        () => seen,
      )
    })

  test('metrics tell of it', async () => {
    const text = await (await globalThis.fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()
    const value = (metric: string) => Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
    assert.ok(value('heraclitus_cleanings_total\\{outcome="complete"\\}') > 0)
    assert.ok(value('heraclitus_cleaned_records_total\\{fate="removed"\\}') > 100)
    assert.equal(value('heraclitus_cleanings_total\\{outcome="failed"\\}') || 0, 0)
    assert.doesNotMatch(gateway.logs(), /could not be cleaned|damaged/)
  })
})
