import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { clusterDouble } from '../../../tests/pipeline/cluster-double.js'
import { systemClock } from '../../base/clock.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { sinks } from '../catalog.js'
import type { ComponentContext, Sink } from '../component.js'
import { partitionForKey } from '../partitioner.js'
import type { PipelineRecord } from '../record.js'

const never = new AbortController().signal

function record(offset: number, value: unknown, key: string | null = null): PipelineRecord {
  return {
    topic: 't',
    partition: 2,
    offset,
    timestampMs: 1000,
    key: key === null ? null : Buffer.from(key),
    headers: [{ key: 'h', value: Buffer.from('1') }],
    value,
    stored: undefined,
    bytes: 100,
  }
}

function open(name: string, options: unknown, context: Partial<ComponentContext> = {}): Sink {
  const component = sinks.find((candidate) => candidate.name === name)
  assert.ok(component)
  return component.open(component.options.parse(options), {
    pipeline: 'p',
    topic: 't',
    cluster: clusterDouble(),
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog(),
    stdout: new PassThrough(),
    ...context,
  })
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'heraclitus-sink-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('the file sink appends a line for each record, and makes the folders on the way', async (t) => {
  const path = join(await folder(t), 'a', 'b.ndjson')
  const sink = open('file', { path })
  await Promise.all([sink.write([record(0, { a: 1 }), record(1, null)], never), sink.write([record(2, 'x\ny')], never)])
  await sink.close()
  const again = open('file', { path, content: 'record' })
  await again.write([record(3, Buffer.from('raw'), 'k'), record(4, Buffer.from([0xff]))], never)
  await again.close()
  const lines = (await readFile(path, 'utf8')).split('\n')
  assert.deepEqual(lines.slice(0, 3), ['{"a":1}', 'null', '"x\\ny"'])
  const place = { topic: 't', partition: 2, timestamp: 1000, headers: { h: '1' } }
  assert.deepEqual(JSON.parse(lines[3] ?? ''), { ...place, offset: 3, key: 'k', value: 'raw' })
  assert.deepEqual(JSON.parse(lines[4] ?? ''), { ...place, offset: 4, key: null, value: { base64: '/w==' } })
  assert.equal(lines[5], '')
})

test('the file sink cuts off the half line that a crash has left, and no document of somebody else', async (t) => {
  const path = join(await folder(t), 'f')
  for (const [before, after] of [
    ['{"a":1}\n{"b":', '{"a":1}\n9\n'],
    ['{"a":1}\n{"b":2}', '{"a":1}\n{"b":2}\n9\n'],
    ['{"a":', '9\n'],
    ['', '9\n'],
  ] as const) {
    await writeFile(path, before)
    const sink = open('file', { path })
    await sink.write([record(0, 9)], never)
    await sink.close()
    assert.equal(await readFile(path, 'utf8'), after)
  }
})

test('the file sink goes on in a new file when the old one was moved away', async (t) => {
  const path = join(await folder(t), 'f')
  const sink = open('file', { path })
  await sink.write([record(0, 1)], never)
  await rename(path, `${path}.1`)
  await sink.write([record(1, 2)], never)
  await appendFile(path, '')
  await sink.close()
  assert.equal(await readFile(`${path}.1`, 'utf8'), '1\n')
  assert.equal(await readFile(path, 'utf8'), '2\n')
})

test('the file sink fails, and works again, when its folder can not be written to', async (t) => {
  const blocked = join(await folder(t), 'f')
  await writeFile(blocked, '')
  const path = join(blocked, 'g')
  const sink = open('file', { path })
  await assert.rejects(sink.write([record(0, 1)], never))
  await rm(blocked)
  await sink.write([record(0, 1)], never)
  await sink.close()
  assert.equal(await readFile(path, 'utf8'), '1\n')
})

test('the stdout sink waits until its reader has made room', async () => {
  let release: (() => void) | undefined
  let text = ''
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      text += chunk
      release = done
    },
  })
  const sink = open('stdout', {}, { stdout: slow })
  let isDone = false
  const writing = sink.write([record(0, 1), record(1, 2)], never).then(() => {
    isDone = true
  })
  await systemClock.sleep(20)
  assert.equal(isDone, false)
  release?.()
  await writing
  assert.equal(text, '1\n2\n')
})

interface Received {
  body: unknown
  headers: IncomingMessage['headers']
  method: string | undefined
  url: string | undefined
}

async function serve(
  t: TestContext,
  answer: (received: Received, response: ServerResponse) => number | undefined,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { headers, method, url } = request
    const one = { body: JSON.parse(body), headers, method, url }
    received.push(one)
    const status = answer(one, response)
    if (status === undefined) return
    response.statusCode = status
    response.end('because')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?x=1`, received }
}

const failuresOf = async (sink: Sink, batch: PipelineRecord[]) =>
  (await sink.write(batch, never)).failures.map(({ index, error }) => [index, error.retry])

test('the http sink sends an array with an id that is the same after a crash', async (t) => {
  const { url, received } = await serve(t, () => 202)
  const sink = open('http', { url, method: 'PUT', headers: { 'X-Token': 's' } })
  assert.deepEqual(await failuresOf(sink, [record(5, { a: 1 }), record(6, 2)]), [])
  await sink.close()
  assert.deepEqual(received[0]?.body, [{ a: 1 }, 2])
  assert.equal(received[0]?.method, 'PUT')
  assert.equal(received[0]?.url, '/in?x=1')
  assert.equal(received[0]?.headers['x-token'], 's')
  assert.equal(received[0]?.headers['webhook-id'], 't/2/5-6')
  assert.equal(received[0]?.headers['content-type'], 'application/json')
})

test('the http sink turns credentials in the URL into a header, and shows them nowhere', async (t) => {
  const { url, received } = await serve(t, () => 400)
  const sink = open('http', { url: url.replace('http://', 'http://ann:p%40ss@') })
  const { failures } = await sink.write([record(0, 1)], never)
  await sink.close()
  assert.equal(received[0]?.headers.authorization, `Basic ${Buffer.from('ann:p@ss').toString('base64')}`)
  assert.doesNotMatch(String(failures[0]?.error.message), /ann|x=1/)
})

test('the stdout sink fails when its reader is gone, and the process lives', async () => {
  const stdout = new PassThrough()
  const sink = open('stdout', true, { stdout })
  stdout.destroy(new Error('EPIPE'))
  await assert.rejects(sink.write([record(0, 1)], never), { name: 'SinkError', retry: true })
})

test('the http sink tries 408, 429, 5xx and broken connections again, and nothing else', async (t) => {
  let status = 0
  const { url } = await serve(t, () => status)
  const sink = open('http', { url })
  for (const [given, retry] of [
    [408, true],
    [429, true],
    [500, true],
    [503, true],
    [302, false],
    [401, false],
    [404, false],
  ] as const) {
    status = given
    assert.deepEqual(await failuresOf(sink, [record(0, 1)]), [[0, retry]], String(given))
  }
  await sink.close()
  const refused = open('http', { url: 'http://127.0.0.1:9/' })
  assert.deepEqual(await failuresOf(refused, [record(0, 1)]), [[0, true]])
  await refused.close()
})

test('the http sink honours Retry-After in seconds and as a date', async (t) => {
  let header = '7'
  const { url } = await serve(t, (_, response) => {
    response.setHeader('retry-after', header)
    response.setHeader('date', new Date(10_000).toUTCString())
    return 503
  })
  const sink = open('http', { url })
  const wait = async () => (await sink.write([record(0, 1)], never)).failures[0]?.error.retryAfterMs
  assert.equal(await wait(), 7000)
  header = new Date(13_000).toUTCString()
  assert.equal(await wait(), 3000)
  await sink.close()
})

test('the http sink gives up on an answer that does not come in time', async (t) => {
  const { url } = await serve(t, () => undefined)
  const sink = open('http', { url, timeout: '50ms' })
  const { failures } = await sink.write([record(0, 1)], never)
  assert.match(String(failures[0]?.error.message), /no answer within 50 ms/)
  assert.equal(failures[0]?.error.retry, true)
  await sink.close()
})

test('the http sink stops at once when it is told to', async (t) => {
  const { url, received } = await serve(t, () => undefined)
  const sink = open('http', { url })
  const stop = new AbortController()
  const writing = sink.write([record(0, 1)], stop.signal)
  while (received.length === 0) await systemClock.sleep(5)
  stop.abort(new Error('stop'))
  await assert.rejects(writing, /stop/)
  await sink.close()
})

test('the http sink finds the records of an array that are refused', async (t) => {
  const { url, received } = await serve(t, ({ body }) => (JSON.stringify(body).includes('bad') ? 400 : 200))
  const sink = open('http', { url })
  const batch = Array.from({ length: 16 }, (_, i) => record(i, i === 5 ? 'bad' : i))
  assert.deepEqual(await failuresOf(sink, batch), [[5, false]])
  await sink.close()
  assert.ok(received.length <= 9, `${received.length} requests`)
})

test('the http sink sends record by record, in order for each key and few at a time', async (t) => {
  let underWay = 0
  let most = 0
  const { url, received } = await serve(t, ({ body }, response) => {
    most = Math.max(most, ++underWay)
    setTimeout(() => {
      underWay--
      response.statusCode = body === 'a2' ? 503 : body === 'b1' ? 400 : 200
      response.end()
    }, 5)
    return undefined
  })
  const sink = open('http', { url, body: 'record', concurrency: 2 })
  const batch = ['a1', 'b1', 'a2', 'c1', 'b2', 'a3'].map((value, i) => record(i, value, value[0]))
  assert.deepEqual(await failuresOf(sink, batch), [
    [1, false],
    [2, true],
    [5, true],
  ])
  await sink.close()
  assert.equal(most, 2)
  const bodies = received.map(({ body }) => String(body))
  assert.deepEqual(
    bodies.filter((body) => body.startsWith('a')),
    ['a1', 'a2'],
  )
  assert.deepEqual(
    bodies.filter((body) => body.startsWith('b')),
    ['b1', 'b2'],
  )
  assert.ok(received.some(({ headers }) => headers['webhook-id'] === 't/2/3'))
})

test('the topic sink puts a key where Kafka clients put it, and creates the topic like the source', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('t', 4)
  const sink = open('topic', 'out', { cluster })
  await sink.write([record(0, { a: 1 }, 'k1'), record(1, { a: 2 }, 'k2'), record(2, { a: 3 })], never)
  await sink.close()
  assert.equal(cluster.topics.byName('out')?.partitionCount, 4)
  for (const [key, value] of [
    ['k1', '{"a":1}'],
    ['k2', '{"a":2}'],
  ] as const) {
    const there = cluster.records('out', partitionForKey(Buffer.from(key), 4))
    assert.equal(there.find((one) => one.key?.toString() === key)?.value?.toString(), value)
  }
  assert.ok(cluster.records('out', 2).some(({ key }) => key === null))
})

test('the topic sink tells what can be tried again from what can not', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('out', 1)
  cluster.failAppends('out', [ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.NOT_ENOUGH_REPLICAS])
  const sink = open('topic', { name: 'out', partition_by: 'source' }, { cluster })
  assert.deepEqual(await failuresOf(sink, [record(0, 1)]), [[0, false]])
  assert.deepEqual(await failuresOf(sink, [record(0, 1)]), [[0, true]])
  assert.deepEqual(await failuresOf(sink, [record(0, 1)]), [])
})

test('the topic sink refuses records without a key for a compacted topic, and only those', async () => {
  const cluster = clusterDouble()
  cluster.createTopic('out', 1, new Map([['cleanup.policy', 'delete, compact']]))
  const sink = open('topic', 'out', { cluster })
  assert.deepEqual(await failuresOf(sink, [record(0, 1, 'k1'), record(1, 2), record(2, 3, 'k2')]), [[1, false]])
  assert.deepEqual(
    cluster.records('out', 0).map(({ key }) => key?.toString()),
    ['k1', 'k2'],
  )
})
