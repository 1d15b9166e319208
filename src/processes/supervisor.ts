import type { Clock, Timer } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Health } from '../server/http/http-server.js'
import type { FromProcess, ProcessReport, ToProcess } from './messages.js'

/** A process that was started; node's `cluster.Worker`, as far as it is used here. */
export interface StartedProcess {
  readonly process: { readonly pid?: number | undefined; kill(signal: NodeJS.Signals): unknown }
  send(message: ToProcess, onSent: (error: Error | null) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'message', listener: (message: FromProcess) => void): unknown
  on(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown
}

export interface SupervisorOptions {
  /** How many processes there are to be. */
  count: number
  start: () => StartedProcess
  clock: Clock
  log: Log
  /** A process was started anew after it had ended. */
  onRestart: () => void
}

/** A process that ends is started again at once, and if it ends again, after twice as long each time, milliseconds. */
const restartMsMin = 100
const restartMsMax = 10_000
/** One that ran for so long has started well, milliseconds. */
const settledMs = 60_000
/** A process is given so long to say how it is, milliseconds. */
const reportMs = 2_000

interface Place {
  readonly number: number
  started: StartedProcess | undefined
  startedAtMs: number
  isListening: boolean
  restartMs: number
  timer: Timer | undefined
}

/**
 * Keeps a number of processes running that share the Kafka port. They know nothing of each other: each is an instance
 * of its own, as on another machine. One that ends is replaced; if none has ever come to listen, what keeps it from
 * that will keep the next one too, and all ends with its exit code.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #places: Place[]
  readonly #waiting = new Map<number, (report: ProcessReport) => void>()
  #reports = 0
  #hasListened = false
  #isStopping = false
  #exitCode = 0
  #onEnd: (exitCode: number) => void = () => {}
  /** Resolves with the exit code once all processes have ended. */
  readonly ended: Promise<number>

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      ...{ number: index + 1, started: undefined, startedAtMs: 0 },
      ...{ isListening: false, restartMs: 0, timer: undefined },
    }))
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve
    })
    for (const place of this.#places) this.#start(place)
  }

  /** Processes that listen for clients now. */
  get listeningCount(): number {
    return this.#places.filter(({ isListening }) => isListening).length
  }

  /** Asks all processes to stop. */
  stop(): void {
    if (this.#isStopping) return
    this.#isStopping = true
    for (const { started, timer } of this.#places) {
      timer?.cancel()
      started?.process.kill('SIGTERM')
    }
    this.#endIfOver()
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#isStopping = true
    for (const { started } of this.#places) started?.process.kill('SIGKILL')
  }

  /** What the processes that listen say of themselves, by their numbers; undefined for one that does not answer. */
  async reports(): Promise<Map<string, ProcessReport | undefined>> {
    const listening = this.#places.filter(({ isListening }) => isListening)
    const reports = await Promise.all(listening.map(({ started }) => this.#report(started)))
    return new Map(listening.map(({ number }, index) => [String(number), reports[index]]))
  }

  /** Well as long as every process that takes clients is. */
  async health(): Promise<Health> {
    const reports = await this.reports()
    const first = [...reports.values()].find((report) => report !== undefined)
    const details = { ...first?.health.details, processes: reports.size }
    if (reports.size === 0) return { reason: this.#isStopping ? 'shutting down' : 'starting', details }
    for (const [number, report] of reports) {
      const reason = report === undefined ? 'it does not answer' : report.health.reason
      if (reason !== undefined) return { reason: `process ${number}: ${reason}`, details }
    }
    return { reason: undefined, details }
  }

  #start(place: Place): void {
    const { start, clock, log } = this.#options
    const started = start()
    place.started = started
    place.startedAtMs = clock.monotonic()
    log.info({ process: place.number, pid: started.process.pid }, 'process started')
    started.on('message', (message) => {
      if (message.kind === 'listening') {
        place.isListening = true
        this.#hasListened = true
      } else this.#waiting.get(message.id)?.(message.report)
    })
    started.on('exit', (code, signal) => this.#exited(place, code, signal))
    started.on('error', (error) => {
      log.error({ process: place.number, error: error.message }, 'a process could not be reached')
      // It was never there, so it does not end either.
      if (started.process.pid === undefined) this.#exited(place, null, null)
    })
  }

  #exited(place: Place, code: number | null, signal: string | null): void {
    const { clock, log, onRestart } = this.#options
    place.started = undefined
    place.isListening = false
    const fields = { process: place.number, code, signal }
    if (this.#isStopping) {
      log.info(fields, 'process ended')
      this.#exitCode ||= code ?? 1
      this.#endIfOver()
    } else if (!this.#hasListened) {
      log.fatal(fields, 'a process could not start: all end')
      this.#exitCode = code || 1
      this.stop()
    } else {
      const isSettled = clock.monotonic() - place.startedAtMs > settledMs
      place.restartMs = isSettled ? restartMsMin : Math.min(Math.max(place.restartMs * 2, restartMsMin), restartMsMax)
      log.error({ ...fields, restartMs: place.restartMs }, 'a process ended, and is started again')
      place.timer = clock.after(place.restartMs, () => {
        onRestart()
        this.#start(place)
      })
    }
  }

  #endIfOver(): void {
    if (this.#places.every(({ started }) => started === undefined)) this.#onEnd(this.#exitCode)
  }

  #report(started: StartedProcess | undefined): Promise<ProcessReport | undefined> {
    const id = ++this.#reports
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(reportMs, () => end(undefined))
      const end = (report: ProcessReport | undefined) => {
        timer.cancel()
        this.#waiting.delete(id)
        resolve(report)
      }
      this.#waiting.set(id, end)
      // One that has just ended, which is not known yet, can't be asked.
      started?.send({ kind: 'report', id }, (error) => {
        if (error !== null) end(undefined)
      })
    })
  }
}
