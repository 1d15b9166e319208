import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { eventually } from './clients/driver.js'
import { isFree } from './free-port.js'
import { repositoryRoot } from './tools.js'

const scripts = join(repositoryRoot, 'examples/cluster')

/**
 * The cluster of `examples/cluster`, started with its own scripts: HAProxy and up to four instances of this build on
 * one storage.
 */
export class ExampleCluster {
  /** What clients are given. */
  readonly bootstrap: string
  readonly #base: number
  readonly #environment: Record<string, string>
  readonly #instances = new Map<number, ExampleProcess>()
  readonly #ended: ExampleProcess[] = []
  #balancer: ExampleProcess | undefined

  private constructor(ports: { balancer: number; base: number }, environment: Record<string, string>) {
    this.bootstrap = `localhost:${ports.balancer}`
    this.#base = ports.base
    const { HERACLITUS_CONFIG: _, ...inherited } = process.env
    this.#environment = {
      ...(inherited as Record<string, string>),
      // So that nobody's config.toml is read.
      HERACLITUS_CONFIG: '/dev/null',
      HERACLITUS_GROUP_INITIAL_REBALANCE_DELAY_MS: '100',
      CLUSTER_PORT: String(ports.balancer),
      CLUSTER_PORT_BASE: String(ports.base),
      ...environment,
    }
  }

  /** Starts the balancer and instances 1 to `count`, and waits until the balancer sends clients to all of them. */
  static async start(count: number, environment: Record<string, string>): Promise<ExampleCluster> {
    const cluster = new ExampleCluster(await freePorts(), environment)
    try {
      cluster.#balancer = new ExampleProcess('balancer.sh', [], cluster.#environment)
      await Promise.all(Array.from({ length: count }, (_, index) => cluster.add(index + 1)))
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  /** Starts instance `n`, and waits until the balancer sends clients to it. */
  async add(n: number): Promise<void> {
    const instance = new ExampleProcess('instance.sh', [String(n)], this.#environment)
    this.#instances.set(n, instance)
    await eventually(
      `instance ${n} is sent clients`,
      60_000,
      async () => {
        if (instance.hasEnded) throw new Error(`instance ${n} ended\n${instance.log()}`)
        return (await this.status(n)) === 'UP'
      },
      () => `${instance.log()}\nbalancer:\n${this.#balancer?.log()}`,
    )
  }

  /** kill -9. */
  async kill(n: number): Promise<void> {
    await this.#remove(n).end('SIGKILL')
  }

  /**
   * SIGTERM; gives the exit code, or the signal that ended the process instead, and what it logged. `meanwhile` runs
   * between the two.
   */
  async drain(n: number, meanwhile: () => Promise<void> = async () => {}) {
    const instance = this.#remove(n)
    const [exit] = await Promise.all([instance.end('SIGTERM'), meanwhile()])
    return { exit, log: instance.log() }
  }

  /** What the balancer thinks of instance `n`: `UP`, `DOWN`, or on the way there. */
  async status(n: number): Promise<string> {
    const csv = await textOf(`http://127.0.0.1:${this.#base + 20}/;csv`).catch(() => '')
    const [head = '', ...rows] = csv.split('\n').map((line) => line.split(','))
    const column = [...head].indexOf('status')
    return rows.find(([proxy, server]) => proxy === 'heraclitus' && server === `instance-${n}`)?.[column] ?? 'DOWN'
  }

  /** The metrics of a running instance, as text. */
  metrics(n: number): Promise<string> {
    return textOf(`http://127.0.0.1:${this.#base + 10 + n}/metrics`)
  }

  /** What all instances have logged so far, those that have ended included. */
  logs(): string {
    return [...this.#ended, ...this.#instances.values()].map((instance) => instance.log()).join('')
  }

  /** Ends everything that still runs. */
  async stop(): Promise<void> {
    await Promise.all([...this.#instances.values(), this.#balancer].map((running) => running?.end('SIGKILL')))
  }

  #remove(n: number): ExampleProcess {
    const instance = this.#instances.get(n)
    if (instance === undefined) throw new Error(`instance ${n} does not run`)
    this.#instances.delete(n)
    this.#ended.push(instance)
    return instance
  }
}

const logCharactersMax = 500_000

class ExampleProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #onOurExit = () => this.#child.kill('SIGKILL')
  #log = ''

  constructor(script: string, args: string[], environment: Record<string, string>) {
    this.#child = spawn(join(scripts, script), args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    this.#exited = once(this.#child, 'exit')
    this.#exited.catch(() => {})
    const keep = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-logCharactersMax)
    }
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
    process.once('exit', this.#onOurExit)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  log(): string {
    return this.#log
  }

  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    if (!this.hasEnded) {
      this.#child.kill(signal)
      await this.#exited
    }
    process.off('exit', this.#onOurExit)
    return this.#child.exitCode ?? this.#child.signalCode
  }
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
  return response.text()
}

/** A port for the balancer and a range for the rest, all free and below those that `freePort` gives. */
async function freePorts(): Promise<{ balancer: number; base: number }> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = 10_000 + 100 * Math.floor(Math.random() * 50)
    const needed = [0, 1, 2, 3, 4, 11, 12, 13, 14, 20].map((offset) => base + offset)
    const free = await Promise.all(needed.map(isFree))
    if (free.every((is) => is)) return { balancer: base, base }
  }
  throw new Error('no free ports found')
}
