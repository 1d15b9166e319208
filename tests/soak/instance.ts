import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildRoot } from '../integration/tools.js'
import { endWithUs } from './children.js'

export interface InstanceOptions {
  nodeId: number
  port: number
  metricsPort: number
  env: Record<string, string>
  logFile: string
  /** It ended though nobody asked it to: with this exit code, and its last words, a complaint if it had any. */
  onEnd: (instance: Instance, code: number | string, lastWords: string) => void
  /** It logged something of the levels error or fatal. */
  onComplaint: (instance: Instance, line: string) => void
}

/** Between the end of a process and the start of the next one, milliseconds; a supervisor would wait no less. */
const restartMs = 200

/** One gateway instance: a process that is started again whenever it ends, until `stop`. */
export class Instance {
  readonly nodeId: number
  readonly port: number
  readonly #options: InstanceOptions
  #child: ChildProcess | undefined
  #isWanted = true
  /** Signals that we ourselves ended the present process with. */
  #isKilled = false
  #isPaused = false
  #isServing = false
  #loop: Promise<void> = Promise.resolve()
  #startedMs = 0
  starts = 0
  rssMaxBytes = 0
  /** Milliseconds from each start of a process until it served. */
  readonly startTimes: number[] = []

  constructor(options: InstanceOptions) {
    this.#options = options
    this.nodeId = options.nodeId
    this.port = options.port
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  start(): void {
    this.#isWanted = true
    this.#loop = this.#run()
  }

  /** kill -9; the next process starts at once. */
  kill(): void {
    this.#signal('SIGKILL')
  }

  /** SIGTERM, as in a rolling restart; the next process starts when this one has ended. */
  terminate(): void {
    this.#signal('SIGTERM')
  }

  /** SIGSTOP for so long, then SIGCONT. Gives whether it was one process all the while, and serving when it was stopped. */
  async pause(ms: number, signal: AbortSignal): Promise<boolean> {
    const child = this.#child
    if (child === undefined || this.#isPaused) return false
    this.#isPaused = true
    const wasServing = this.#isServing
    child.kill('SIGSTOP')
    await sleep(ms, undefined, { signal }).catch(() => {})
    child.kill('SIGCONT')
    this.#isPaused = false
    return wasServing && child === this.#child && !this.#isKilled
  }

  /**
   * SIGTERM for good; gives the exit code. Within 40 s, else it is killed. One that is about to stop is not asked
   * again, and one that starts is let start: either would end it at once, as the signal's default has it.
   */
  async stop(): Promise<number | string> {
    for (let waitedMs = 0; !this.#isServing && waitedMs < 40_000; waitedMs += 100) await sleep(100)
    this.#isWanted = false
    const child = this.#child
    if (child === undefined) return 'it was not running'
    const patience = setTimeout(() => child.kill('SIGKILL'), 40_000)
    if (!this.#isKilled) this.#signal('SIGTERM')
    await this.#loop
    clearTimeout(patience)
    return child.exitCode ?? child.signalCode ?? 'unknown'
  }

  /** kill -9 for good. */
  async destroy(): Promise<void> {
    this.#isWanted = false
    this.#signal('SIGKILL')
    await this.#loop
  }

  /** Reads how much memory the present process has taken at most. */
  sample(): void {
    try {
      const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
      const kibibytes = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0)
      this.rssMaxBytes = Math.max(this.rssMaxBytes, kibibytes * 1024)
    } catch {
      // It has just ended, or this is not Linux: the figure is what was seen before.
    }
  }

  #signal(signal: NodeJS.Signals): void {
    this.#isKilled = true
    this.#child?.kill(signal)
  }

  async #run(): Promise<void> {
    while (this.#isWanted) {
      await this.#runOnce()
      if (this.#isWanted) await sleep(restartMs)
    }
  }

  async #runOnce(): Promise<void> {
    const { nodeId, port, metricsPort, env, logFile } = this.#options
    const { HERACLITUS_CONFIG: _, ...inherited } = process.env
    const child = spawn(process.execPath, [join(buildRoot, 'src/cli/heraclitus.js')], {
      cwd: tmpdir(), // so that nobody's config.toml is read
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...inherited,
        ...env,
        HERACLITUS_KAFKA_PORT: String(port),
        HERACLITUS_METRICS_PORT: String(metricsPort),
        HERACLITUS_NODE_ID: String(nodeId),
      },
    })
    endWithUs(child)
    this.#child = child
    this.#isKilled = false
    this.#isServing = false
    this.starts++
    this.#startedMs = performance.now()
    let last = ''
    const { stderr } = child
    createInterface({ input: stderr }).on('line', (line) => {
      appendFileSync(logFile, `${line}\n`)
      if (isComplaint(line) || !isComplaint(last)) last = line
      this.#onLine(line)
    })
    await once(child, 'close')
    this.#child = undefined
    this.#isServing = false
    if (!this.#isKilled) this.#options.onEnd(this, child.exitCode ?? child.signalCode ?? 'unknown', last)
  }

  #onLine(line: string): void {
    if (line.includes('"msg":"listening"')) {
      this.#isServing = true
      this.startTimes.push(performance.now() - this.#startedMs)
    }
    if (isComplaint(line)) this.#options.onComplaint(this, line)
  }
}

/** Whether a log line is of the levels error or fatal. */
function isComplaint(line: string): boolean {
  return /"level":[56]0/.test(line)
}
