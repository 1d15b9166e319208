import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { batchesIn } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { createTopic, fetchRequest, produce } from './wire/requests.js'
import { connect, type WireClient } from './wire/wire-client.js'

const skip = externalBootstrap ? 'it needs a gateway of its own' : false
/** So many that each process has some of them. */
const partitions = 24
const recordsEach = 20
const connections = 8

/** The sum of a metric's samples, of all processes. */
async function metric(gateway: Gateway, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.metricsPort}/metrics`)).text()
  const samples = text.split('\n').filter((line) => line.startsWith(name))
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

test('each of several processes cleans its share on a thread of its own, and stops with it', {
  skip,
  timeout: 90_000,
}, async (t) => {
  const gateway = await startGateway({
    env: {
      HERACLITUS_PROCESSES: '2',
      HERACLITUS_STORAGE_FSYNC: 'false',
      HERACLITUS_STORAGE_COMPACT_INTERVAL_MS: '1000',
      HERACLITUS_STORAGE_COMPACT_AGE_MS: '1000',
    },
  })
  t.after(() => gateway.stop())
  for (let waited = 0; (await metric(gateway, 'heraclitus_processes ')) < 2 && waited < 200; waited++) await sleep(100)
  // Who writes nothing has no share of the work.
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(t, gateway.port)))
  const [client] = clients as [WireClient]
  const configs = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', value: '0' },
  ]
  assert.equal((await createTopic(client, 'compacted', partitions, configs)).errorCode, 0)
  assert.equal(await metric(gateway, 'heraclitus_cleaning_threads'), 0)
  for (let i = 0; i < recordsEach; i++)
    for (let partition = 0; partition < partitions; partition++) {
      const record = { timestampMs: Date.now(), key: Buffer.from(`${i % 3}`), value: Buffer.from(`${i}`), headers: [] }
      const batch = encodeBatch({ records: [record], compression: 'zstd' })
      const answer = await produce(clients[i % connections] ?? client, 'compacted', batch, { partition })
      assert.equal(answer.errorCode, 0)
    }
  const found = async (partition: number) => {
    const { responses } = await client.call(Fetch, 11, fetchRequest('compacted', 0, { partition }))
    const records = responses[0]?.partitions[0]?.records ?? Buffer.alloc(0)
    return [...batchesIn(records)].flatMap((batch) => decodeRecords(batch)).map(({ value }) => Number(value))
  }
  const last = [recordsEach - 3, recordsEach - 2, recordsEach - 1]
  for (let partition = 0; partition < partitions; partition++) {
    for (let waited = 0; (await found(partition)).length > 3 && waited < 600; waited++) await sleep(100)
    assert.deepEqual(await found(partition), last, `partition ${partition}`)
  }
  // Both have had something to clean.
  assert.equal(await metric(gateway, 'heraclitus_cleaning_threads{'), 2)
  assert.equal(await metric(gateway, 'heraclitus_cleaning_thread_failures_total'), 0)
  assert.equal(await gateway.terminate(), 0)
})
