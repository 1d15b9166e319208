import { randomBytes } from 'node:crypto'
import { silentLog } from '../../src/base/log.js'
import { s3Store } from '../../src/state/store/s3.js'
import { median } from '../tables.js'
import { type SlowStore, startSlowness } from './systems.js'

/** As much as a flush of a producer at a moderate pace. */
const objectBytes = 50_000
const count = 40
/** As good as none: each request is to take the median. */
const noSpread = 1e-9

/**
 * What a put and a get really take as the gateway's own S3 client sees them, medians in milliseconds, where each is to take
 * exactly the given time: what is above that is the machine's, the proxy's and the S3 server's.
 */
export async function measureRequests(slow: SlowStore): Promise<{ putMs: number; getMs: number }> {
  const proxy = await startSlowness(slow, noSpread)
  const { server } = slow
  const store = s3Store({
    url: `s3://${server.bucket}/${randomBytes(6).toString('hex')}`,
    endpoint: proxy.endpoint,
    region: server.region,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    log: silentLog(),
  })
  try {
    const body = [randomBytes(objectBytes)]
    const puts: number[] = []
    const gets: number[] = []
    for (let i = 0; i < count; i++) {
      puts.push(await timeOf(() => store.putIfAbsent(`requests/${i}`, body)))
      gets.push(await timeOf(() => store.get(`requests/${i}`, { position: 0, length: objectBytes })))
    }
    return { putMs: median(puts) ?? Number.NaN, getMs: median(gets) ?? Number.NaN }
  } finally {
    await store.close()
    await proxy.close()
  }
}

async function timeOf(request: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await request()
  return performance.now() - startedAt
}
