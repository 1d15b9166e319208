import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { silentLog } from '../../base/log.js'
import { createMetrics } from '../../base/metrics.js'
import { startHttpServer } from './http-server.js'

const metrics = createMetrics()
metrics.counter('heraclitus_connections_total', 'Connections').add(3)
let reason: string | undefined
const server = await startHttpServer({
  host: '127.0.0.1',
  port: 0,
  metrics,
  health: () => ({ reason, details: { clusterId: 'abc' } }),
  log: silentLog(),
})
after(() => server.close())
const at = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init)

test("/metrics answers in Prometheus' text format", async () => {
  const response = await at('/metrics')
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(await response.text(), /^heraclitus_connections_total 3$/m)
})

test('/health is 200 while all is well, and 503 with the reason when it is not', async () => {
  const well = await at('/health')
  assert.equal(well.status, 200)
  assert.deepEqual(await well.json(), { status: 'ok', clusterId: 'abc' })
  reason = 'the store has not answered for 12 s'
  try {
    const ill = await at('/health')
    assert.equal(ill.status, 503)
    assert.deepEqual(await ill.json(), { status: 'unhealthy', reason, clusterId: 'abc' })
    assert.equal((await at('/readyz')).status, 503)
    assert.equal((await at('/livez')).status, 200)
  } finally {
    reason = undefined
  }
})

test('a query and HEAD are understood; other methods and paths are refused', async () => {
  assert.equal((await at('/health?verbose')).status, 200)
  const head = await at('/metrics', { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(await head.text(), '')
  const post = await at('/metrics', { method: 'POST', body: 'x' })
  assert.equal(post.status, 405)
  assert.equal(post.headers.get('allow'), 'GET, HEAD')
  assert.equal((await at('/')).status, 404)
  assert.equal((await at('/healthz/../metrics/x')).status, 404)
})

test('what is not HTTP gets an error and does not disturb the next', async () => {
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write('\0\0\0\x1a\0\x12nonsense\r\n\r\n'))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
  assert.match(text, /^HTTP\/1\.1 400 /)
  assert.equal((await at('/health')).status, 200)
})

test('failing metrics are a 500, not a crash', async () => {
  const failing = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: metrics.contentType, text: () => Promise.reject(new Error('boom')) },
    health: () => ({ reason: undefined, details: {} }),
    log: silentLog(),
  })
  try {
    assert.equal((await fetch(`http://127.0.0.1:${failing.port}/metrics`)).status, 500)
  } finally {
    await failing.close()
  }
})

test('a port that is taken is an error', async () => {
  await assert.rejects(
    startHttpServer({
      host: '127.0.0.1',
      port: server.port,
      metrics,
      health: () => ({ reason: undefined, details: {} }),
      log: silentLog(),
    }),
    /EADDRINUSE/,
  )
})
