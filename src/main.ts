import cluster from 'node:cluster'
import { systemClock } from './base/clock.js'
import { messageOf } from './base/errors.js'
import { createLog, type Log } from './base/log.js'
import { systemRandom } from './base/random.js'
import { type Config, ConfigError, loadConfig } from './config.js'
import { startGateway } from './gateway.js'
import type { FromProcess } from './processes/messages.js'
import type { Supervised } from './processes/supervise.js'
import { reportToSupervisor } from './processes/supervised.js'

/** Exit codes of the process. */
export const exitCode = { ok: 0, failed: 1, usage: 2 } as const

/** The largest time a shutdown may take, after the delay that is configured, before the process ends anyway, milliseconds. */
const shutdownMs = 30_000
/** The same for a process that can't go on: it has nothing left to finish, and clients wait for the next one. */
const failedShutdownMs = 5_000

export interface MainOptions {
  /** The configuration file, if one was named. */
  config?: string | undefined
  environment: Readonly<Record<string, string | undefined>>
  /** Called once clients are served. */
  whenServing: () => void
}

/** Runs a gateway until SIGTERM or SIGINT, or until it can't go on; gives the exit code. */
export async function main(options: MainOptions): Promise<number> {
  const config = configOrProblems(options)
  if (config === undefined) return exitCode.usage
  const log = createLog(config.heraclitus.logLevel)
  if (!cluster.isWorker) for (const warning of config.warnings) log.warn(warning)
  if (config.heraclitus.processes > 1 && !cluster.isWorker) return runSeveral(config, log)
  let starting: Promise<void> | undefined
  const ended = new Promise<number>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        log.info({ signal, delayMs: config.heraclitus.shutdownDelayMs }, 'shutting down')
        resolve(exitCode.ok)
      })
    process.once('uncaughtException', (error) => {
      log.fatal({ err: error }, 'a defect: the process ends')
      resolve(exitCode.failed)
    })
    starting = run(config, log, options.whenServing, resolve)
  })
  const code = await ended.then((code) =>
    // Told to stop in the midst of a start, it is let come to its end first: what it opens then is to be closed.
    code === exitCode.ok ? stop(code, config.heraclitus.shutdownDelayMs, log, starting) : stop(code, 0, log),
  )
  // The channel to the supervisor would keep the process alive, as would requests that a failed one has left.
  return cluster.isWorker || code === exitCode.failed ? process.exit(code) : code
}

let stopGateway: ((delayMs: number) => Promise<void>) | undefined
/** Nothing that is still under way is worth waiting for any more. */
let hurry = () => {}

async function run(config: Config, log: Log, whenServing: () => void, end: (code: number) => void): Promise<void> {
  try {
    const gateway = await startGateway(config, {
      clock: systemClock,
      random: systemRandom,
      log,
      onFatal(error) {
        log.fatal({ error: messageOf(error) }, "this instance can't go on")
        end(exitCode.failed)
        hurry()
      },
      show: cluster.isWorker ? (view) => reportToSupervisor(process, view) : undefined,
    })
    whenServing()
    if (cluster.isWorker) process.send?.({ kind: 'listening' } satisfies FromProcess)
    stopGateway = (delayMs) => gateway.close(delayMs)
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`)
    else log.fatal({ error: messageOf(error) }, 'the gateway could not start')
    end(error instanceof ConfigError ? exitCode.usage : exitCode.failed)
  }
}

async function stop(code: number, delayMs: number, log: Log, starting?: Promise<void>): Promise<number> {
  const endAfter = (afterMs: number, level: 'error' | 'warn') =>
    setTimeout(() => {
      log[level]({ afterMs }, 'the shutdown takes too long; what is left is dropped')
      process.exit(exitCode.failed)
    }, afterMs)
  let timeout = code === exitCode.failed ? endAfter(failedShutdownMs, 'warn') : endAfter(delayMs + shutdownMs, 'error')
  hurry = () => {
    clearTimeout(timeout)
    timeout = endAfter(failedShutdownMs, 'warn')
  }
  try {
    await starting
    await stopGateway?.(delayMs)
  } catch (error) {
    log.error({ error: messageOf(error) }, 'the shutdown failed')
    return exitCode.failed
  } finally {
    hurry = () => {}
    clearTimeout(timeout)
  }
  log.info('stopped')
  return code
}

/** Runs as many gateways as are configured, as processes of their own, until it is told to stop or none can start. */
async function runSeveral(config: Config, log: Log): Promise<number> {
  let processes: Supervised
  try {
    const { supervise } = await import('./processes/supervise.js')
    processes = await supervise(config, { clock: systemClock, log })
  } catch (error) {
    log.fatal({ error: messageOf(error) }, 'the processes could not be started')
    return exitCode.failed
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'shutting down')
      processes.stop()
    })
  process.once('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a defect: all processes end')
    processes.kill()
    process.exit(exitCode.failed)
  })
  const code = await processes.ended
  log.info('all processes have ended')
  return code
}

function configOrProblems({ config, environment }: MainOptions): Config | undefined {
  try {
    return loadConfig({ path: config, environment })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return undefined
  }
}
