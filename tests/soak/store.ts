import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type S3Server, startS3Server } from '../integration/s3-server.js'
import { type Fault, type SlowProxy, startSlowProxy } from '../integration/slow-proxy.js'

export type StoreKind = 's3' | 'file'

/** Median times of the proxy, milliseconds, with a long tail. */
const putMs = 50
const getMs = 30
const sigma = 0.6
/** Share of requests that the proxy fails. */
export const faultRate = 0.02
/** Each as often as it is named: refused and broken before and after the request took effect, and no answer at all. */
const faults: readonly Fault[] = [
  'slowDownBefore',
  'slowDownBefore',
  'slowDownAfter',
  'errorAfter',
  'resetBefore',
  'resetAfter',
  'conflict',
  'truncate',
  'stall',
]

/** The store that the instances share, with what can be done to it. */
export interface SoakStore {
  /** What an instance needs in its environment. */
  env: Record<string, string>
  /** The same, past the proxy. */
  directEnv: Record<string, string>
  /** The server was killed and started again so often; undefined without one. */
  restarts: number
  /** Kills the S3 server and starts it again after so long. */
  restart: ((downMs: number) => Promise<void>) | undefined
  proxy: SlowProxy | undefined
  /** Faults that the proxy injected. */
  faults(): number
  stop(): Promise<void>
}

/**
 * A store in `folder`, which stays: a plain directory, or an S3 server behind a proxy that is slow and makes errors.
 * @throws Error if there is no S3 server on this machine.
 */
export async function startStore(kind: StoreKind, folder: string, seed: number): Promise<SoakStore> {
  const objects = join(folder, 'store')
  mkdirSync(objects)
  if (kind === 'file') {
    const env = { HERACLITUS_STORAGE_URL: `file:${objects}` }
    const none = { restarts: 0, restart: undefined, proxy: undefined, faults: () => 0 }
    return { env, directEnv: env, ...none, stop: () => Promise.resolve() }
  }
  const server = await startS3Server(objects)
  if (server.skip !== undefined) throw new Error(server.skip)
  const proxy = await startSlowProxy({ target: server.endpoint, putMs, getMs, sigma, faultRate, faults, seed })
  return withServer(server, proxy)
}

function withServer(server: S3Server, proxy: SlowProxy): SoakStore {
  const directEnv = { ...server.environment, HERACLITUS_STORAGE_URL: `s3://${server.bucket}/soak` }
  const store: SoakStore = {
    env: { ...directEnv, AWS_ENDPOINT_URL: proxy.endpoint },
    directEnv,
    restarts: 0,
    async restart(downMs) {
      store.restarts++
      await server.restart(downMs)
    },
    proxy,
    faults: () => [...proxy.injected.values()].reduce((sum, count) => sum + count, 0),
    async stop() {
      await proxy.close()
      await server.stop()
    },
  }
  return store
}
