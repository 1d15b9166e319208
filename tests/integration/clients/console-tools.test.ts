import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Gateway, startGateway } from '../gateway.js'
import { kafkaTools, lookFor } from '../tools.js'

const found = await lookFor('the console tools of Kafka 4.3.1', () => kafkaTools('4.3.1'))
const timeout = 90_000

/** What Kafka's shell scripts run. */
const classes = {
  topics: 'TopicCommand',
  'console-producer': 'ConsoleProducer',
  'console-consumer': 'consumer.ConsoleConsumer',
  'consumer-groups': 'consumer.group.ConsumerGroupCommand',
  'get-offsets': 'GetOffsetShell',
  'delete-records': 'DeleteRecordsCommand',
  'producer-perf': 'ProducerPerformance',
  'consumer-perf': 'ConsumerPerformance',
  'verifiable-producer': 'VerifiableProducer',
  'verifiable-consumer': 'VerifiableConsumer',
  'broker-api-versions': 'BrokerApiVersionsCommand',
} as const

describe('console tools of Kafka 4.3.1', { skip: found.skip, concurrency: false }, () => {
  let gateway: Gateway
  let folder: string
  const id = `${process.pid}-${Date.now()}`

  /** Runs a tool against the gateway; gives its standard output, rejects when it fails. */
  const tool = (name: keyof typeof classes, args: string[], input = '') =>
    run(`org.apache.kafka.tools.${classes[name]}`, ['--bootstrap-server', gateway.bootstrap, ...args], input)
  const create = (topic: string, partitions: number) =>
    tool('topics', ['--create', '--topic', topic, '--partitions', String(partitions)])
  const produce = (topic: string, lines: string[], more: string[] = []) =>
    tool('console-producer', ['--topic', topic, ...more], `${lines.join('\n')}\n`)
  const consume = async (topic: string, count: number, more: string[] = []) =>
    linesOf(
      await tool('console-consumer', [
        ...['--topic', topic, '--from-beginning', '--max-messages', String(count), '--timeout-ms', '30000'],
        ...more,
      ]),
    )

  before(async () => {
    gateway = await startGateway()
    folder = await mkdtemp(join(tmpdir(), 'console-tools-'))
  })
  after(async () => {
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('broker-api-versions finds nothing unsupported that clients need', { timeout }, async () => {
    const shown = await tool('broker-api-versions', [])
    assert.match(shown, /\(id: \d+ rack: \S+ isFenced: false\) -> \(/)
    for (const name of ['Produce(0): 0 to', 'Fetch(1): 4 to', 'Metadata(3)', 'JoinGroup(11)', 'ListOffsets(2)']) {
      assert.ok(shown.includes(name), `${name} in\n${shown}`)
    }
  })

  test('cluster shows the cluster id', { timeout }, async () => {
    const shown = await run('org.apache.kafka.tools.ClusterTool', [
      ...['cluster-id', '--bootstrap-server', gateway.bootstrap],
    ])
    assert.match(shown, /^Cluster ID: \S{10,}/m)
  })

  test('topics creates, lists, describes, adds partitions and deletes', { timeout }, async () => {
    const topic = `topics-${id}`
    await tool('topics', [
      ...['--create', '--topic', topic, '--partitions', '3', '--replication-factor', '1'],
      ...['--config', 'retention.ms=3600000'],
    ])
    assert.ok(linesOf(await tool('topics', ['--list'])).includes(topic))
    const described = await tool('topics', ['--describe', '--topic', topic])
    assert.match(described, /PartitionCount: 3\s+ReplicationFactor: 1\s+Configs:.*retention\.ms=3600000/)
    assert.equal(described.match(/Leader: \d+/g)?.length, 3)
    await tool('topics', ['--alter', '--topic', topic, '--partitions', '5'])
    assert.match(await tool('topics', ['--describe', '--topic', topic]), /PartitionCount: 5/)
    await assert.rejects(create(topic, 1), /already exists/)
    await tool('topics', ['--delete', '--topic', topic])
    assert.ok(!linesOf(await tool('topics', ['--list'])).includes(topic))
  })

  test('console-producer and console-consumer carry keys and headers, with every codec', { timeout }, async () => {
    const topic = `console-${id}`
    await create(topic, 3)
    const keyed = ['--reader-property', 'parse.key=true', '--reader-property', 'parse.headers=true']
    const sent: string[] = []
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const lines = [0, 1, 2].map((n) => `by:${codec}\tkey ${codec} ${n}\tvalue ${n}`)
      await produce(topic, lines, ['--compression-codec', codec, ...keyed])
      sent.push(...lines)
    }
    const shown = ['--formatter-property', 'print.key=true', '--formatter-property', 'print.headers=true']
    assert.deepEqual(new Set(await consume(topic, sent.length, shown)), new Set(sent))
  })

  test('console-producer works without idempotence and acknowledgements', { timeout }, async () => {
    const topic = `acks-${id}`
    await create(topic, 1)
    for (const acks of ['0', '1', 'all']) {
      const settings = ['--command-property', 'enable.idempotence=false', '--command-property', `acks=${acks}`]
      await produce(topic, [`acks ${acks}`], settings)
    }
    assert.deepEqual(await consume(topic, 3), ['acks 0', 'acks 1', 'acks all'])
  })

  test('consumer-groups lists, describes, resets and deletes', { timeout }, async () => {
    const [topic, group] = [`groups-${id}`, `group-${id}`]
    await create(topic, 2)
    await produce(topic, numbered(20), ['--batch-size', '1'])
    assert.equal((await consume(topic, 20, ['--group', group])).length, 20)

    assert.ok(linesOf(await tool('consumer-groups', ['--list'])).includes(group))
    const offsets = async () =>
      linesOf(await tool('consumer-groups', ['--describe', '--group', group]))
        .map((line) => line.split(/\s+/))
        .filter(([, name]) => name === topic)
        .map(([, , partition, current, end, lag]) => ({ partition, current, end, lag }))
    const read = await offsets()
    assert.equal(read.length, 2)
    assert.ok(read.every(({ current, end, lag }) => current === end && lag === '0'))
    assert.equal(
      read.reduce((total, { end }) => total + Number(end), 0),
      20,
    )
    assert.match(await tool('consumer-groups', ['--describe', '--group', group, '--state']), /Empty\s+0\s*$/m)

    const reset = ['--reset-offsets', '--group', group, '--topic', topic]
    await tool('consumer-groups', [...reset, '--to-earliest', '--execute'])
    assert.ok((await offsets()).every(({ current }) => current === '0'))
    await tool('consumer-groups', [...reset, '--to-latest', '--execute'])
    await tool('consumer-groups', [...reset, '--shift-by', '-1', '--execute'])
    assert.ok((await offsets()).every(({ current, end }) => Number(current) === Math.max(0, Number(end) - 1)))

    await tool('consumer-groups', ['--delete', '--group', group])
    assert.ok(!linesOf(await tool('consumer-groups', ['--list'])).includes(group))
  })

  test('consumer-groups shows the members of a live group', { timeout }, async () => {
    const [topic, group] = [`live-${id}`, `live-group-${id}`]
    await create(topic, 2)
    await produce(topic, numbered(1))
    const consumer = start(
      'org.apache.kafka.tools.consumer.ConsoleConsumer',
      ['--bootstrap-server', gateway.bootstrap, '--topic', topic, '--group', group, '--from-beginning'],
      '',
    )
    try {
      await consumer.firstOutput
      const members = await tool('consumer-groups', ['--describe', '--group', group, '--members'])
      assert.match(members, new RegExp(`${group}\\s+\\S+\\s+/\\S+\\s+\\S+\\s+2`))
      assert.match(await tool('consumer-groups', ['--describe', '--group', group, '--state']), /Stable\s+1\s*$/m)
      await assert.rejects(tool('consumer-groups', ['--delete', '--group', group]), /GroupNotEmptyException/)
    } finally {
      consumer.stop()
      await consumer.ended.catch(() => '')
    }
  })

  test('get-offsets and delete-records agree on where the log begins and ends', { timeout }, async () => {
    const topic = `offsets-${id}`
    await create(topic, 1)
    const before = Date.now()
    await produce(topic, numbered(30))
    const at = async (time: string | number) =>
      linesOf(await tool('get-offsets', ['--topic', topic, '--time', String(time)]))
    assert.deepEqual(await at('latest'), [`${topic}:0:30`])
    assert.deepEqual(await at('earliest'), [`${topic}:0:0`])
    assert.deepEqual(await at(before), [`${topic}:0:0`])
    assert.match((await at('max-timestamp'))[0] ?? '', new RegExp(`^${topic}:0:[12]?\\d$`))

    const file = join(folder, 'delete.json')
    await writeFile(file, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, offset: 10 }] }))
    assert.match(await tool('delete-records', ['--offset-json-file', file]), /low_watermark: 10/)
    assert.deepEqual(await at('earliest'), [`${topic}:0:10`])
    assert.deepEqual(await at(before), [`${topic}:0:10`])
    assert.deepEqual(await consume(topic, 20), numbered(30).slice(10))
  })

  test('producer-perf and consumer-perf finish', { timeout }, async () => {
    const topic = `perf-${id}`
    await create(topic, 2)
    const produced = await tool('producer-perf', [
      ...['--topic', topic, '--num-records', '5000', '--record-size', '100', '--throughput', '-1'],
      ...['--command-property', 'acks=all'],
    ])
    assert.match(produced, /^5000 records sent/m)
    const consumed = await tool('consumer-perf', ['--topic', topic, '--num-records', '5000', '--hide-header'])
    assert.ok(Number(consumed.split(/, */)[4]) >= 5000, consumed)
  })

  test('verifiable-producer and verifiable-consumer agree', { timeout }, async () => {
    const topic = `verifiable-${id}`
    await create(topic, 2)
    const produced = await tool('verifiable-producer', ['--topic', topic, '--max-messages', '500'])
    assert.match(produced, /"acked":500/)
    const consumed = await tool('verifiable-consumer', [
      ...['--topic', topic, '--group-id', `verifiable-${id}`, '--max-messages', '500', '--reset-policy', 'earliest'],
    ])
    const events = linesOf(consumed).map((line) => JSON.parse(line) as { name: string; count?: number })
    const consumedCount = events
      .filter(({ name }) => name === 'records_consumed')
      .reduce((total, { count }) => total + (count ?? 0), 0)
    assert.equal(consumedCount, 500)
    assert.ok(events.some(({ name }) => name === 'offsets_committed'))
  })
})

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `line ${n}`)
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

function run(className: string, args: string[], input = ''): Promise<string> {
  return start(className, args, input).ended
}

function start(className: string, args: string[], input: string) {
  if (!found.tool) throw new Error('no Java')
  const child = spawn(found.tool.command, [...found.tool.args, className, ...args])
  let output = ''
  let errors = ''
  const firstOutput = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const patience = setTimeout(() => child.kill('SIGKILL'), 45_000)
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(patience)
      // Some tools report an error on standard output and succeed.
      if (code === 0 && !/^(Error|Exception)/m.test(output)) resolve(output)
      else reject(new Error(`${className} ${args.join(' ')}: exit ${code ?? signal}\n${errors}\n${output}`))
    })
  })
  child.stdin.end(input)
  return { firstOutput: Promise.race([firstOutput, ended.then(() => {})]), ended, stop: () => child.kill('SIGTERM') }
}
