import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { clusterDouble, startOn, until } from '../../tests/pipeline/cluster-double.js'
import { createMetrics } from '../base/metrics.js'
import { ErrorCode } from '../protocol/error-codes.js'
import { BatchAttribute, BatchPosition } from '../protocol/records/batch.js'
import { encodeBatch } from '../protocol/records/record.js'
import { pipelineMetrics } from './metrics.js'

const toStdout = { stdout: {}, batch: { timeout: '1ms' } }
const group = 'pipeline-p'

test('records go through filter, map and mask into the sink, and their offsets are committed', async (t) => {
  const cluster = clusterDouble()
  cluster.createTopic('orders', 2)
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 'orders',
      step: [
        { filter: 'value.status == "paid"' },
        { map: { total: 'value.qty * value.price', card: '' } },
        { mask: { fields: ['email'] } },
      ],
      sink: [toStdout],
    },
  ])
  t.after(() => running.close())
  cluster.produce('orders', 0, [
    { value: { status: 'paid', qty: 2, price: 3.5, card: 'x', email: 'ann@x.io' } },
    { value: { status: 'open', qty: 1, price: 1 } },
  ])
  cluster.produce('orders', 1, [{ value: { status: 'paid', qty: 2, price: 2 } }])
  await until(() => running.lines().length === 2, 'both paid orders came out')
  await until(() => cluster.committedOffsets(group, 'orders')[0] === 2, 'the dropped record counts as done')
  assert.deepEqual(
    new Set(running.lines().map((line) => JSON.stringify(line))),
    new Set([
      JSON.stringify({ status: 'paid', qty: 2, price: 3.5, email: '***@x.io', total: 7 }),
      JSON.stringify({ status: 'paid', qty: 2, price: 2, total: 4 }),
    ]),
  )
})

test('a restarted pipeline goes on from the committed offsets', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const spec = { name: 'p', from: 't', sink: [toStdout] }
  cluster.produce('t', 0, [{ value: 1 }, { value: 2 }])
  const first = startOn(cluster, [spec])
  await until(() => first.lines().length === 2, 'two records came out')
  await first.close()
  cluster.produce('t', 0, [{ value: 3 }])
  const second = startOn(cluster, [spec])
  await until(() => second.lines().length > 0, 'the third came out')
  await second.close()
  assert.deepEqual(second.lines(), [3])
  assert.equal(first.status()[0]?.state, 'stopped')
})

test('closing delivers and commits what was read, without waiting for the batch to fill', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [{ stdout: {}, batch: { timeout: '1h' } }] }])
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 0, 'the pipeline reads')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(running.lines(), [])
  await running.close()
  assert.deepEqual(running.lines(), [1])
  assert.deepEqual(cluster.committedOffsets(group, 't'), { 0: 1 })
})

test('nothing is committed before the sink has it, and a crash in between delivers again', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [
    { key: 'a', value: 1 },
    { key: 'a', value: 2 },
    { key: 'a', value: 3 },
  ])
  const received: number[] = []
  let broken = true
  let hasHung = false
  const server = await listen((body) => {
    const [value] = JSON.parse(body)
    if (broken && value === 2) {
      hasHung = true
      return 'hang'
    }
    received.push(value)
    return 200
  })
  const spec = { name: 'p', from: 't', sink: [{ http: { url: server.url }, batch: { size: 1 } }] }
  const first = startOn(cluster, [spec])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'the first record is committed')
  await until(() => hasHung, 'the second record is under way')
  // As after kill -9: the lease goes, nothing is drained.
  cluster.expire('pipeline/p')
  broken = false
  const second = startOn(cluster, [spec])
  await first.close()
  await until(() => cluster.committedOffsets(group, 't')[0] === 3, 'all is committed')
  await second.close()
  server.close()
  assert.deepEqual(received, [1, 2, 3])
})

test('of two instances one runs the pipeline, and the other takes over where it stopped', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const spec = { name: 'p', from: 't', sink: [toStdout] }
  const first = startOn(cluster, [spec])
  await until(() => first.status()[0]?.state === 'running', 'the first runs')
  const second = startOn(cluster, [spec])
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'the first record is committed')
  assert.equal(second.status()[0]?.state, 'waiting')
  await first.close()
  cluster.produce('t', 0, [{ value: 2 }])
  await until(() => second.lines().length === 1, 'the second instance goes on')
  await second.close()
  assert.deepEqual(first.lines(), [1])
  assert.deepEqual(second.lines(), [2])
})

test('an instance whose lease is lost stops writing at once and stands by again', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  let calls = 0
  const server = await listen(() => {
    calls++
    return 500
  })
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 't',
      sink: [{ http: { url: server.url }, batch: { timeout: '1ms' }, retry: { attempts: 1000 } }],
    },
  ])
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => calls > 0, 'the sink was tried')
  const other = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout] }])
  cluster.expire('pipeline/p')
  await until(() => other.lines().length === 1, 'the other delivers')
  await until(() => running.status()[0]?.state === 'waiting', 'the first stands by')
  const after = calls
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(calls, after)
  await other.close()
  await running.close()
  server.close()
})

test('what can not be read, mapped or delivered goes to the dead-letter topic with the reason', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 2)
  const server = await listen((body) => (body.includes('"bad"') ? 422 : 200))
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 't',
      step: [{ map: { twice: 'value.n * 2' } }],
      sink: [{ http: { url: server.url }, batch: { timeout: '1ms' } }],
      dlq: { topic: 'dead' },
    },
  ])
  cluster.produce('t', 1, [
    { key: 'k', value: Buffer.from('{no json'), headers: { trace: 'abc' } },
    { value: { other: 1 } },
    { value: { n: 1, what: 'bad' } },
    { value: { n: 1, what: 'good' } },
  ])
  await until(() => cluster.committedOffsets(group, 't')[1] === 4, 'all are done')
  await running.close()
  server.close()
  const dead = cluster.records('dead', 1).map((record) => ({
    key: record.key?.toString() ?? null,
    value: record.value?.toString(),
    headers: Object.fromEntries(record.headers.map(({ key, value }) => [key, value?.toString()])),
  }))
  assert.deepEqual(
    dead
      .map(({ headers }) => [headers['hermod.error.offset'], headers['hermod.error.stage']])
      .sort(([a], [b]) => Number(a) - Number(b)),
    [
      ['0', 'read'],
      ['1', 'transform'],
      ['2', 'sink'],
    ],
  )
  const first = dead.find(({ headers }) => headers['hermod.error.offset'] === '0')
  assert.equal(first?.key, 'k')
  assert.equal(first?.value, '{no json')
  assert.equal(first?.headers.trace, 'abc')
  assert.equal(first?.headers['hermod.error.pipeline'], 'p')
  assert.equal(first?.headers['hermod.error.topic'], 't')
  assert.equal(first?.headers['hermod.error.partition'], '1')
  assert.match(String(first?.headers['hermod.error.message']), /JSON/)
  const refused = dead.find(({ headers }) => headers['hermod.error.stage'] === 'sink')
  assert.equal(refused?.value, '{"n":1,"what":"bad"}')
  assert.match(String(refused?.headers['hermod.error.message']), /422/)
})

test('a write that fails too often ends in the dead-letter topic, with the number of attempts', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  let calls = 0
  const server = await listen(() => {
    calls++
    return 503
  })
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 't',
      sink: [{ http: { url: server.url }, batch: { timeout: '1ms' }, retry: { attempts: 3, interval: '10ms' } }],
      dlq: { topic: 'dead' },
    },
  ])
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'it is done')
  await running.close()
  server.close()
  assert.equal(calls, 3)
  const attempts = cluster.records('dead')[0]?.headers.find(({ key }) => key === 'hermod.error.attempts')
  assert.equal(String(attempts?.value), '3')
})

test('without a dead-letter topic the pipeline fails, says why, commits nothing, and heals when the cause is gone', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  let broken = true
  const server = await listen(() => (broken ? 400 : 200))
  const running = startOn(cluster, [
    { name: 'p', from: 't', sink: [{ http: { url: server.url }, batch: { timeout: '1ms' } }] },
  ])
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => running.status()[0]?.state === 'failed', 'it failed')
  assert.match(String(running.status()[0]?.reason), /t\/0\/0.*400.*no dead-letter topic/)
  assert.deepEqual(cluster.committedOffsets(group, 't')[0] ?? 0, 0)
  broken = false
  await until(() => running.status()[0]?.state === 'running', 'it runs again')
  assert.equal(cluster.committedOffsets(group, 't')[0], 1)
  await running.close()
  server.close()
})

test('a batch that is tried again holds up its successors, so that order is kept', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const received: number[] = []
  let calls = 0
  const server = await listen((body) => {
    if (++calls % 3 !== 0) return 503
    received.push(...JSON.parse(body))
    return 200
  })
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 't',
      sink: [{ http: { url: server.url }, batch: { size: 7, timeout: '1ms' }, retry: { interval: '1ms' } }],
    },
  ])
  const values = Array.from({ length: 50 }, (_, i) => i)
  cluster.produce(
    't',
    0,
    values.map((value) => ({ value })),
  )
  await until(() => cluster.committedOffsets(group, 't')[0] === 50, 'all are done')
  await running.close()
  server.close()
  assert.deepEqual(received, values)
})

test('every sink gets every record before the offset is committed', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.failAppends('copy', [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.NOT_ENOUGH_REPLICAS])
  const running = startOn(cluster, [
    { name: 'p', from: 't', sink: [toStdout, { topic: 'copy', batch: { timeout: '1ms' } }] },
  ])
  cluster.produce('t', 0, [
    { key: 'k', value: { id: 9007199254740993n.toString() }, headers: { h: '1' }, timestampMs: 77 },
  ])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'it is done')
  await running.close()
  assert.equal(running.lines().length, 1)
  const [copy] = cluster.records('copy')
  assert.deepEqual(
    [copy?.key?.toString(), copy?.value?.toString(), copy?.timestampMs, copy?.headers[0]?.key],
    ['k', '{"id":"9007199254740993"}', 77, 'h'],
  )
})

test('a topic that is missing is waited for, and partitions that are added are read from their beginning', async () => {
  const cluster = clusterDouble()
  const running = startOn(cluster, [{ name: 'p', from: 't', start: 'latest', sink: [toStdout] }])
  await until(() => running.status()[0]?.state === 'running', 'it waits')
  const { id } = cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 1 }])
  await until(() => running.lines().length === 1, 'the first came out')
  await cluster.topics.createPartitions(id, 2)
  cluster.produce('t', 1, [{ value: 2 }])
  await until(() => running.lines().length === 2, 'the second came out')
  await running.close()
})

test('start = "latest" skips what was there before, once and for all', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 'old' }])
  const spec = { name: 'p', from: 't', start: 'latest', sink: [toStdout] }
  const first = startOn(cluster, [spec])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'the beginning is committed')
  await first.close()
  cluster.produce('t', 0, [{ value: 'while away' }])
  const second = startOn(cluster, [spec])
  await until(() => second.lines().length === 1, 'what came meanwhile is delivered')
  await second.close()
  assert.deepEqual(second.lines(), ['while away'])
})

test('a topic that is deleted and created again is read from its beginning', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 1 }])
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout] }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 1, 'the first is committed')
  cluster.removeTopic('t')
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 2 }, { value: 3 }])
  await until(() => running.lines().length === 3, 'all came out')
  await running.close()
  assert.deepEqual(running.lines(), [1, 2, 3])
})

test('records that were deleted before they were read are passed over', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 1 }])
  cluster.produce('t', 0, [{ value: 2 }])
  cluster.truncate('t', 0, 1)
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout] }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 2, 'it is done')
  await running.close()
  assert.deepEqual(running.lines(), [2])
})

test('reading goes on after the store was away', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  cluster.produce('t', 0, [{ value: 1 }])
  cluster.failReads(2)
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout] }])
  await until(() => running.lines().length === 1, 'it came out')
  await running.close()
})

test('control batches are passed over, and a batch that can not be unpacked is a dead letter', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const record = { timestampMs: 1, key: null, value: Buffer.from('1'), headers: [] }
  cluster.appendBatch('t', 0, encodeBatch({ records: [record], isControl: true, isTransactional: true }))
  const nonsense = encodeBatch({ records: [record] })
  nonsense.writeInt16BE(BatchAttribute.compressionMask & 1, BatchPosition.attributes)
  cluster.appendBatch('t', 0, nonsense)
  cluster.produce('t', 0, [{ value: 2 }])
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout], dlq: { topic: 'dead' } }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 3, 'all are done')
  await running.close()
  assert.deepEqual(running.lines(), [2])
  assert.equal(cluster.records('dead').length, 1)
})

test('bytes under way are bounded: a slow sink stops the reading, and a batch that waits to fill is sent', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  for (let i = 0; i < 40; i++) cluster.produce('t', 0, [{ value: 'x'.repeat(500) }])
  const running = startOn(cluster, [
    {
      name: 'p',
      from: 't',
      max_inflight: 10,
      max_inflight_bytes: '4KB',
      sink: [{ stdout: {}, batch: { size: 10, bytes: '4KB', timeout: '1h' } }],
    },
  ])
  await until(() => running.lines().length >= 32, 'the budget makes room for itself')
  await running.close()
  assert.equal(running.lines().length, 40)
})

test('many partitions are read beside each other, without a warning', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 40)
  const warnings: string[] = []
  const warned = (warning: Error) => warnings.push(warning.message)
  process.on('warning', warned)
  const running = startOn(cluster, [{ name: 'p', from: 't', sink: [toStdout] }])
  for (let partition = 0; partition < 40; partition++) cluster.produce('t', partition, [{ value: partition }])
  await until(() => running.lines().length === 40, 'all came out')
  await running.close()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warned)
  assert.deepEqual(warnings, [])
})

test('the metrics have the documented names and count what happened', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 1)
  const metrics = createMetrics()
  const running = startOn(
    cluster,
    [{ name: 'p', from: 't', step: [{ filter: 'value.n > 1' }], sink: [toStdout], dlq: { topic: 'dead' } }],
    pipelineMetrics(metrics),
  )
  cluster.produce('t', 0, [{ value: { n: 1 } }, { value: { n: 2 } }, { value: { n: 'three' } }])
  await until(() => cluster.committedOffsets(group, 't')[0] === 3, 'all are done')
  const text = await metrics.text()
  await running.close()
  for (const line of [
    'hermod_engine_messages_processed_total{workflow_id="p",source_id="t"} 3',
    'hermod_engine_messages_filtered_total{workflow_id="p",source_id="t"} 1',
    'hermod_engine_message_errors_total{workflow_id="p",source_id="t",stage="transform"} 1',
    'hermod_engine_sink_writes_total{workflow_id="p",sink_id="stdout-1"} 1',
    'hermod_engine_dead_letter_total{workflow_id="p",source_id="t"} 1',
    'hermod_engine_processing_duration_seconds_count{workflow_id="p"} 3',
    'hermod_workflow_node_processed_total{workflow_id="p",node_id="filter-1"} 2',
    'hermod_workflow_node_errors_total{workflow_id="p",node_id="filter-1"} 1',
    'hermod_worker_active_workflows_total 1',
  ])
    assert.ok(text.includes(`${line}\n`), `${line} in ${text}`)
})

async function listen(answer: (body: string) => number | 'hang'): Promise<{ url: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const status = answer(body)
      if (status === 'hang') return
      response.statusCode = status
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
