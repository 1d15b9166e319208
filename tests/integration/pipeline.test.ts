import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { externalBootstrap, type Gateway, type GatewayOptions, startGateway } from './gateway.js'

const skip = externalBootstrap ? 'it needs gateways that run pipelines' : false

describe('a pipeline in config.toml', { skip, concurrency: false }, () => {
  let folder: string
  let options: GatewayOptions
  const gateways: Gateway[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heraclitus-pipeline-'))
    const config = join(folder, 'config.toml')
    await writeFile(
      config,
      `[[pipeline]]
name = "paid"
from = "orders"

[[pipeline.step]]
filter = 'value.status == "paid"'

[[pipeline.step]]
map = { total = 'value.qty * value.price' }

[[pipeline.step]]
mask = { fields = ["email"] }

[[pipeline.sink]]
file = { path = ${JSON.stringify(join(folder, 'paid.ndjson'))} }
batch = { timeout = "10ms" }

[[pipeline.sink]]
topic = "paid"
batch = { timeout = "10ms" }

[pipeline.dlq]
topic = "dead"
`,
    )
    options = { storage: `file:${folder}/data`, env: { HERACLITUS_CONFIG: config } }
  })
  after(async () => {
    for (const gateway of gateways) await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const start = async (nodeId: number) => {
    const gateway = await startGateway({ ...options, nodeId })
    gateways.push(gateway)
    return gateway
  }
  const lines = async (): Promise<{ id: number }[]> => {
    const text = await readFile(join(folder, 'paid.ndjson'), 'utf8').catch(() => '')
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }
  const arrived = async (ids: number[]) => {
    const deadline = performance.now() + 40_000
    for (;;) {
      const found = new Set((await lines()).map(({ id }) => id))
      if (ids.every((id) => found.has(id))) return
      const logs = gateways.map((gateway) => gateway.logs()).join('\n')
      assert.ok(performance.now() < deadline, `waited for ${ids}, found ${[...found]}\n${logs}`)
      await sleep(50)
    }
  }

  test('carries what is produced into its sinks, goes on after a restart, and moves when its instance is killed', {
    timeout: 120_000,
  }, async () => {
    const first = await start(1)
    await produce(first, [
      { value: JSON.stringify({ id: 1, status: 'paid', qty: 2, price: 3.5, email: 'ann@x.io' }) },
      { value: JSON.stringify({ id: 2, status: 'open', qty: 1, price: 1 }) },
      { value: 'no json' },
    ])
    await arrived([1])
    assert.deepEqual(await lines(), [{ id: 1, status: 'paid', qty: 2, price: 3.5, email: '***@x.io', total: 7 }])

    await first.stop()
    const again = await start(1)
    await produce(again, [{ value: JSON.stringify({ id: 3, status: 'paid', qty: 1, price: 1 }) }])
    await arrived([3])
    assert.deepEqual(
      (await lines()).map(({ id }) => id),
      [1, 3],
      'what was committed is not delivered again',
    )
    assert.deepEqual(await consume(again, 'paid', 2), ['1', '3'])
    assert.deepEqual(await consume(again, 'dead', 1), ['no json'])
    const metrics = await (await fetch(`http://127.0.0.1:${again.metricsPort}/metrics`)).text()
    assert.match(metrics, /hermod_engine_messages_processed_total\{workflow_id="paid",source_id="orders"\} 1\n/)

    const second = await start(2)
    await again.kill()
    await produce(second, [{ value: JSON.stringify({ id: 4, status: 'paid', qty: 1, price: 1 }) }])
    await arrived([1, 3, 4])
  })
})

function client(gateway: Gateway): Kafka {
  return new Kafka({ brokers: [gateway.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 20 } })
}

async function produce(gateway: Gateway, messages: { value: string }[]): Promise<void> {
  const producer = client(gateway).producer({ allowAutoTopicCreation: true })
  await producer.connect()
  await producer.send({ topic: 'orders', messages })
  await producer.disconnect()
}

/** The values of so many records of a topic; of orders their ids. */
async function consume(gateway: Gateway, topic: string, count: number): Promise<string[]> {
  const consumer = client(gateway).consumer({ groupId: `reads-${topic}` })
  const values: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        async eachMessage({ message }) {
          const text = String(message.value)
          values.push(text.startsWith('{') ? String(JSON.parse(text).id) : text)
          if (values.length === count) resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  return values.sort((a, b) => a.localeCompare(b))
}
