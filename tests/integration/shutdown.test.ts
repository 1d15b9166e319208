import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
import { startS3Server } from './s3-server.js'
import { startSlowProxy } from './slow-proxy.js'
import { buildRoot } from './tools.js'
import { batchOf, createTopic, fetchRequest, produce } from './wire/requests.js'
import { connect } from './wire/wire-client.js'

const skip = externalBootstrap ? 'it stops a gateway of its own' : false

/** What a probe at that path is told. */
async function probe(gateway: Gateway, path: string): Promise<{ status: number; reason: string | undefined }> {
  const response = await fetch(`http://127.0.0.1:${gateway.metricsPort}${path}`)
  const { reason } = (await response.json()) as { reason?: string }
  return { status: response.status, reason }
}

test('asked to stop, an instance says so to probes first, and goes on serving for the delay', { skip }, async (t) => {
  const delayMs = 2_000
  const gateway = await startGateway({ env: { HERACLITUS_SHUTDOWN_DELAY_MS: String(delayMs) } })
  t.after(() => gateway.stop())
  const early = await connect(t, gateway.port)
  assert.deepEqual(await probe(gateway, '/readyz'), { status: 200, reason: undefined })
  const startedAt = performance.now()
  const exit = gateway.terminate()
  await sleep(300)
  for (const path of ['/readyz', '/health'])
    assert.deepEqual(await probe(gateway, path), { status: 503, reason: 'shutting down' })
  assert.equal((await probe(gateway, '/livez')).status, 200)
  const late = await connect(t, gateway.port)
  for (const client of [early, late]) assert.equal((await client.call(ApiVersions, 0, {})).errorCode, 0)
  assert.ok(!early.isClosed)
  assert.equal(await exit, 0)
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs >= delayMs - 50 && tookMs < delayMs + 8_000, `${tookMs} ms`)
  await early.closed()
})

test('without a delay it stops at once', { skip }, async (t) => {
  const gateway = await startGateway()
  t.after(() => gateway.stop())
  const client = await connect(t, gateway.port)
  const startedAt = performance.now()
  assert.equal(await gateway.terminate(), 0)
  assert.ok(performance.now() - startedAt < 8_000)
  await client.closed()
})

const server = externalBootstrap ? { skip: 'it damages a store of its own' } : await startS3Server()
after(() => (server.skip === undefined ? server.stop() : undefined))

test("an instance that can't go on ends within seconds, whatever the store does not answer", {
  skip: server.skip,
  timeout: 90_000,
}, async (t) => {
  if (server.skip !== undefined) return
  const proxy = await startSlowProxy({ target: server.endpoint })
  t.after(() => proxy.close())
  const env = { ...server.environment, AWS_ENDPOINT_URL: proxy.endpoint }
  const storage = `s3://${server.bucket}/test`
  const first = await startGateway({ storage, env })
  const producer = await connect(t, first.port)
  await createTopic(producer, 'orders')
  await produce(producer, 'orders', batchOf(['x'.repeat(200_000)]))
  await first.kill()

  const gateway = await startGateway({ storage, env })
  t.after(() => gateway.stop())
  const folder = join(server.folder, server.bucket, 'test/ledger/0')
  const entries = readdirSync(folder).sort()
  let stalled = 0
  proxy.isStalled = (url) => {
    const isOld = entries.some((entry) => url.includes(entry))
    if (isOld) stalled++
    return isOld
  }
  const consumer = await connect(t, gateway.port)
  consumer.start(Fetch, 12, fetchRequest('orders', 0))
  while (stalled === 0) await sleep(20)
  // What it finds next in the ledger is no entry.
  const next = String(Number(entries.at(-1)) + 1).padStart(20, '0')
  writeFileSync(join(folder, next), 'no entry')
  while (!gateway.logs().includes("this instance can't go on")) await sleep(20)
  const sinceMs = performance.now()
  assert.equal(await gateway.ended(), 1)
  const tookMs = performance.now() - sinceMs
  assert.ok(tookMs < 7_000, `${tookMs} ms`)
})

test('told to stop in the midst of its start, it stops', { skip: server.skip, timeout: 90_000 }, async (t) => {
  if (server.skip !== undefined) return
  const proxy = await startSlowProxy({ target: server.endpoint })
  t.after(() => proxy.close())
  const child = spawn(process.execPath, [join(buildRoot, 'src/cli/heraclitus.js')], {
    ...{ cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] },
    env: {
      ...{ ...process.env, ...server.environment, AWS_ENDPOINT_URL: proxy.endpoint },
      HERACLITUS_STORAGE_URL: `s3://${server.bucket}/stopped`,
      ...{ HERACLITUS_KAFKA_PORT: '0', HERACLITUS_METRICS_PORT: '0' },
    },
  })
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  // The first request of its start is not answered before it has been told.
  proxy.isStalled = () => {
    child.kill('SIGTERM')
    proxy.isStalled = () => false
    return true
  }
  assert.deepEqual(await once(child, 'close'), [0, null], log)
  assert.match(log, /shutting down.*listening.*stopped/s)
})
