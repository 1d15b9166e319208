import { test } from 'node:test'
import { externalBootstrap, startGateway } from './gateway.js'
import { startS3Server } from './s3-server.js'
import { startSlowProxy } from './slow-proxy.js'

const server = externalBootstrap ? { skip: 'it needs a store of its own' } : await startS3Server()

test('a gateway starts though its first requests to S3 fail or are never answered', {
  skip: server.skip,
  timeout: 60_000,
}, async (t) => {
  if (server.skip !== undefined) return
  t.after(() => server.stop())
  const proxy = await startSlowProxy({ target: server.endpoint })
  t.after(() => proxy.close())
  proxy.next('PUT', 'resetBefore', 'slowDownAfter', 'conflict')
  proxy.next('GET', 'stall')
  const env = { ...server.environment, AWS_ENDPOINT_URL: proxy.endpoint }
  const gateway = await startGateway({ storage: `s3://${server.bucket}/test`, env })
  await gateway.stop()
})
