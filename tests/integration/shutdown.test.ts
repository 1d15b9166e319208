import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { externalBootstrap, type Gateway, startGateway } from './gateway.js'
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
