import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answeringServer, type Durability, freePort, type Server } from './server.js'

/** A gateway process; with `isProfiled`, one that takes CPU profiles of itself when told to. */
export interface Gateway extends Server {
  /** Where it tells its metrics. */
  readonly metricsUrl: string
  /** Tells the preloaded `profiled.js` something and waits for its answer. */
  tell(message: object): Promise<unknown>
}

export interface GatewayOptions {
  durability: Durability
  /** Where its storage goes, in a folder of its own. */
  folder?: string
  isProfiled?: boolean
  /** Further settings and variables; they win. */
  environment?: Readonly<Record<string, string>>
}

/** What starts a gateway of this build. */
export const gatewayProgram = fileURLToPath(new URL('../../src/cli/heraclitus.js', import.meta.url))
const profiled = new URL('../profiled.js', import.meta.url).href

/** Starts this build's gateway on an empty directory and waits until it answers. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { durability, folder = tmpdir(), isProfiled, environment } = options
  const storage = await mkdtemp(join(folder, 'heraclitus-bench-gateway-'))
  const [port, metricsPort] = [await freePort(), await freePort()]
  const { HERACLITUS_CONFIG: _, ...inherited } = process.env
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...(isProfiled ? ['--import', profiled] : []), gatewayProgram], {
    cwd: storage, // so that nobody's config.toml is read
    stdio: ['ignore', 'pipe', 'pipe', ...(isProfiled ? (['ipc'] as const) : [])],
    env: {
      ...inherited,
      HERACLITUS_KAFKA_HOST: '127.0.0.1',
      HERACLITUS_KAFKA_PORT: String(port),
      HERACLITUS_METRICS_HOST: '127.0.0.1',
      HERACLITUS_METRICS_PORT: String(metricsPort),
      HERACLITUS_STORAGE_URL: `file:${storage}/data`,
      HERACLITUS_STORAGE_FSYNC: String(durability === 'fsync'),
      HERACLITUS_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      ...environment,
    },
  })
  const remove = () => rmSync(storage, { recursive: true, force: true })
  const server = await answeringServer(child, port, startedAt, remove)
  return {
    ...server,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    tell: (message) =>
      new Promise((resolve, reject) => {
        child.once('message', resolve)
        child.send(message, (error) => {
          if (error) reject(error)
        })
      }),
  }
}
