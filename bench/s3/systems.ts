import { randomBytes } from 'node:crypto'
import type { S3Server } from '../../tests/integration/s3-server.js'
import { type SlowProxy, startSlowProxy } from '../../tests/integration/slow-proxy.js'
import { scrape } from '../scrape.js'
import { type Gateway, startGateway } from '../servers/gateway.js'
import { runningServer, type Server } from '../servers/server.js'
import { startTansu } from '../servers/tansu.js'
import { type OneAddress, startOneAddress } from './one-address.js'

/** Settings of the gateway by the names that docs/cost.md gives them. */
export const settingsByName: Record<string, Record<string, string>> = {
  default: {},
  'low-latency': {
    HERACLITUS_STORAGE_FLUSH_INTERVAL_MS: '20',
    HERACLITUS_STORAGE_MAX_INFLIGHT_ENTRIES: '8',
    HERACLITUS_STORAGE_POLL_INTERVAL_MS: '10',
  },
}

export interface SlowStore {
  server: S3Server
  /** Median times of a put and a get, milliseconds. */
  putMs: number
  getMs: number
  /** These times come on top of what the server takes. */
  isOnTop: boolean
}

/** A proxy before the server; `sigma` is how far its times spread. */
export function startSlowness({ server, ...times }: SlowStore, sigma?: number): Promise<SlowProxy> {
  return startSlowProxy({ target: server.endpoint, ...times, ...(sigma === undefined ? {} : { sigma }) })
}

/** Something that clients reach at one address, on an S3 server of its own slowness. */
export interface System {
  name: string
  /** What clients connect to. */
  front: Server
  /** One for each process; of the gateway alone. */
  instances: readonly Gateway[]
  pids: readonly number[]
  /** Absent with one process. */
  address: OneAddress | undefined
  proxy: SlowProxy
  stop(): Promise<void>
}

/** Starts instances of the gateway on one slow store; several of them behind one address, unless each is to have its own. */
export async function startGateways(
  slow: SlowStore,
  settings: string,
  count: number,
  hasOneAddress = count > 1,
): Promise<System> {
  const proxy = await startSlowness(slow)
  const address = hasOneAddress ? await startOneAddress() : undefined
  const environment = {
    ...slow.server.environment,
    AWS_ENDPOINT_URL: proxy.endpoint,
    HERACLITUS_STORAGE_URL: `s3://${slow.server.bucket}/${randomBytes(6).toString('hex')}`,
    ...(address && { HERACLITUS_ADVERTISED_HOST: '127.0.0.1', HERACLITUS_ADVERTISED_PORT: String(address.port) }),
    ...settingsByName[settings],
  }
  const instances: Gateway[] = []
  const stop = async () => {
    for (const instance of instances) await instance.stop()
    address?.close()
    await proxy.close()
  }
  try {
    for (let i = 0; i < count; i++) instances.push(await startGateway({ durability: 'fsync', environment }))
  } catch (error) {
    await stop()
    throw error
  }
  if (address) address.targets = instances.map(({ bootstrap }) => bootstrap)
  const pids = instances.map(({ pid }) => pid)
  const [first] = instances
  const front = runningServer(address ? `127.0.0.1:${address.port}` : (first?.bootstrap ?? ''), pids[0] ?? 0)
  return { name: 'Heraclitus', front, instances, pids, address, proxy, stop }
}

/** Starts Tansu on a slow store. */
export async function startSlowTansu(slow: SlowStore, program: string): Promise<System> {
  const proxy = await startSlowness(slow)
  try {
    const front = await startTansu(program, proxy.endpoint, slow.server)
    const stop = async () => {
      await front.stop()
      await proxy.close()
    }
    return { name: 'Tansu', front, instances: [], pids: [front.pid], address: undefined, proxy, stop }
  } catch (error) {
    await proxy.close()
    throw error
  }
}

/** Entries that each instance has put into the ledger so far. */
export async function ownEntries({ instances }: System): Promise<number[]> {
  const entries: number[] = []
  for (const { metricsUrl } of instances)
    entries.push((await scrape(metricsUrl))('heraclitus_ledger_entries_total', { by: 'self' }))
  return entries
}
