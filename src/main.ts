import { systemClock } from './base/clock.js'
import { messageOf } from './base/errors.js'
import { suitHeapToBuffers } from './base/heap.js'
import { createLog, type Log } from './base/log.js'
import { systemRandom } from './base/random.js'
import { type Config, ConfigError, loadConfig } from './config.js'
import { startGateway } from './gateway.js'

/** Exit codes of the process. */
export const exitCode = { ok: 0, failed: 1, usage: 2 } as const

/** The largest time a shutdown may take, after the delay that is configured, before the process ends anyway, milliseconds. */
const shutdownMs = 30_000

export interface MainOptions {
  /** The configuration file, if one was named. */
  config?: string | undefined
  environment: Readonly<Record<string, string | undefined>>
}

/** Runs a gateway until SIGTERM or SIGINT, or until it can't go on; gives the exit code. */
export async function main(options: MainOptions): Promise<number> {
  suitHeapToBuffers()
  const config = configOrProblems(options)
  if (config === undefined) return exitCode.usage
  const log = createLog(config.heraclitus.logLevel)
  for (const warning of config.warnings) log.warn(warning)
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
    void run(config, log, resolve)
  })
  return ended.then((code) => stop(code, code === exitCode.ok ? config.heraclitus.shutdownDelayMs : 0, log))
}

let stopGateway: ((delayMs: number) => Promise<void>) | undefined

async function run(config: Config, log: Log, end: (code: number) => void): Promise<void> {
  try {
    const gateway = await startGateway(config, {
      clock: systemClock,
      random: systemRandom,
      log,
      onFatal(error) {
        log.fatal({ error: messageOf(error) }, "this instance can't go on")
        end(exitCode.failed)
      },
    })
    stopGateway = (delayMs) => gateway.close(delayMs)
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`)
    else log.fatal({ error: messageOf(error) }, 'the gateway could not start')
    end(error instanceof ConfigError ? exitCode.usage : exitCode.failed)
  }
}

async function stop(code: number, delayMs: number, log: Log): Promise<number> {
  const afterMs = delayMs + shutdownMs
  const timeout = setTimeout(() => {
    log.error({ afterMs }, 'the shutdown takes too long; what is left is dropped')
    process.exit(exitCode.failed)
  }, afterMs)
  try {
    await stopGateway?.(delayMs)
  } catch (error) {
    log.error({ error: messageOf(error) }, 'the shutdown failed')
    return exitCode.failed
  } finally {
    clearTimeout(timeout)
  }
  log.info('stopped')
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
