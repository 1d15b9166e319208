import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.js'
import { buildRoot } from './tools.js'

export interface GatewayOptions {
  /** `file:…`, `s3://…`; a temporary directory, removed by `stop`, unless given. */
  storage?: string
  /** 0 or absent: some free port. */
  port?: number
  metricsPort?: number
  nodeId?: number
  /** Further settings, as environment variables. */
  env?: Record<string, string>
}

/** A gateway in a process of its own. */
export interface Gateway {
  /** `host:port` for clients. */
  readonly bootstrap: string
  readonly port: number
  readonly metricsPort: number
  readonly pid: number
  readonly storage: string
  /** All it has logged so far. */
  logs(): string
  /** kill -9; resolves when the process is gone. The storage stays. */
  kill(): Promise<void>
  /** Resolves once it has ended, by itself or not, with the exit code or the signal. */
  ended(): Promise<number | NodeJS.Signals | null>
  /** SIGTERM; resolves with the exit code, or the signal that ended the process instead. The storage stays. */
  terminate(): Promise<number | NodeJS.Signals | null>
  /** SIGTERM, and SIGKILL when that takes more than 10 s (which is an error); removes a temporary directory. */
  stop(): Promise<void>
}

/** Someone else's broker to run the suites against, to see whether a suite asks for what Kafka does. */
export const externalBootstrap = process.env.HERACLITUS_TEST_BOOTSTRAP

/**
 * Starts the gateway of this build and waits until it serves. With HERACLITUS_TEST_BOOTSTRAP=host:port
 * nothing is started: the broker there is used.
 * @throws Error with its log when the process ends or does not serve within 20 s.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  if (externalBootstrap) return external(externalBootstrap)
  const temporary = options.storage ? undefined : await mkdtemp(join(tmpdir(), 'heraclitus-gateway-'))
  const storage = options.storage ?? `file:${temporary}/data`
  const port = options.port || (await freePort())
  const metricsPort = options.metricsPort || (await freePort())
  const { HERACLITUS_CONFIG: _, ...inherited } = process.env
  const child = spawn(process.execPath, [join(buildRoot, 'src/cli/heraclitus.js')], {
    cwd: tmpdir(), // so that nobody's config.toml is read
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...inherited,
      HERACLITUS_KAFKA_PORT: String(port),
      HERACLITUS_METRICS_PORT: String(metricsPort),
      HERACLITUS_STORAGE_URL: storage,
      HERACLITUS_NODE_ID: String(options.nodeId ?? 1),
      HERACLITUS_GROUP_INITIAL_REBALANCE_DELAY_MS: '100',
      ...options.env,
    },
  })
  const log = logOf(child)
  const exited = once(child, 'exit')
  exited.catch(() => {})
  const onOurExit = () => child.kill('SIGKILL')
  process.once('exit', onOurExit)

  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await exited
    }
    process.off('exit', onOurExit)
  }
  try {
    await serving(child, port, log)
  } catch (error) {
    await end('SIGKILL')
    if (temporary) await rm(temporary, { recursive: true, force: true })
    throw error
  }
  return {
    bootstrap: `127.0.0.1:${port}`,
    port,
    metricsPort,
    pid: child.pid ?? 0,
    storage,
    logs: log,
    kill: () => end('SIGKILL'),
    async ended() {
      await exited
      return child.exitCode ?? child.signalCode
    },
    async terminate() {
      await end('SIGTERM')
      return child.exitCode ?? child.signalCode
    },
    async stop() {
      const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
      const died = child.exitCode !== null || child.signalCode !== null
      await end('SIGTERM')
      clearTimeout(patience)
      if (temporary) await rm(temporary, { recursive: true, force: true })
      if (!died && child.signalCode === 'SIGKILL') throw new Error(`the gateway ignored SIGTERM\n${log()}`)
    },
  }
}

function external(bootstrap: string): Gateway {
  const done = () => Promise.resolve()
  const port = Number(bootstrap.split(':').at(-1))
  return {
    bootstrap,
    port,
    metricsPort: 0,
    pid: 0,
    storage: '',
    logs: () => '',
    kill: done,
    ended: async () => 0,
    terminate: async () => 0,
    stop: done,
  }
}

const logCharactersMax = 200_000

function logOf(child: ChildProcess): () => string {
  let text = ''
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-logCharactersMax)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => text
}

async function serving(child: ChildProcess, port: number, log: () => string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await connects(port))) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the gateway ended with ${child.exitCode ?? child.signalCode} before it served\n${log()}`)
    }
    if (performance.now() > deadline) throw new Error(`the gateway does not serve on port ${port}\n${log()}`)
    await sleep(25)
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
