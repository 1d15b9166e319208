import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answeringServer, type Durability, freePort, type Server } from './server.js'

/** A gateway process. */
export interface Gateway extends Server {
  readonly child: ChildProcess
  /** Where it tells its metrics. */
  readonly metricsUrl: string
  /** Tells the preloaded module something and waits for its answer. */
  tell(message: object): Promise<unknown>
}

export interface GatewayOptions {
  durability: Durability
  /** Where its storage goes, in a folder of its own. */
  folder?: string
  /** A module that is loaded before the gateway's own code, and may be told something. */
  preload?: string | undefined
  /** What it starts on, copied: the folder of a store that was made before. */
  data?: string
  /** Another build's, in the place of this one's. */
  program?: string
  /** Further settings and variables; they win. */
  environment?: Readonly<Record<string, string>>
}

/** What starts a gateway of this build. */
export const gatewayProgram = fileURLToPath(new URL('../../src/cli/heraclitus.js', import.meta.url))
/** To be preloaded: takes CPU profiles of the gateway when told to. */
export const profiled = new URL('../profiled.js', import.meta.url).href

/** Starts a gateway on a directory of its own, empty unless there is data, and waits until it answers. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { durability, folder = tmpdir(), preload, data, program = gatewayProgram, environment } = options
  const storage = await mkdtemp(join(folder, 'heraclitus-bench-gateway-'))
  if (data !== undefined) await cp(data, `${storage}/data`, { recursive: true })
  const [port, metricsPort] = [await freePort(), await freePort()]
  const { HERACLITUS_CONFIG: _, ...inherited } = process.env
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...(preload === undefined ? [] : ['--import', preload]), program], {
    cwd: storage, // so that nobody's config.toml is read
    stdio: ['ignore', 'pipe', 'pipe', ...(preload === undefined ? [] : (['ipc'] as const))],
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
    child,
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
