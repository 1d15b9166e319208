import cluster from 'node:cluster'
import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import { createMetrics } from '../base/metrics.js'
import type { Config } from '../config.js'
import { supervisorMetrics } from '../metrics/supervisor-metrics.js'
import { startHttpServer } from '../server/http/http-server.js'
import { type HandedTo, LostConnections } from './lost-connections.js'
import { mergedMetrics } from './merged-metrics.js'
import { Supervisor } from './supervisor.js'

/** How long what the supervising process holds may keep it alive when all processes have ended, milliseconds. */
const lingerMs = 1_000

export interface Supervised {
  /** Resolves with the exit code once all processes have ended. */
  ended: Promise<number>
  stop(): void
  kill(): void
}

/**
 * Runs several gateways as processes of this program, which take turns with the connections to the Kafka port, and
 * shows operators all of them at the metrics port.
 * @throws the system's error when the metrics port can't be listened on; the processes have been stopped then.
 */
export async function supervise(config: Config, { clock, log }: { clock: Clock; log: Log }): Promise<Supervised> {
  const { processes, metricsHost, metricsPort } = config.heraclitus
  const metrics = createMetrics()
  const { restarts, sample } = supervisorMetrics(metrics)
  const lostConnections = new LostConnections()
  const supervisor = new Supervisor({
    ...{ count: processes, clock, log },
    start() {
      const started = cluster.fork()
      lostConnections.watch(started.process as HandedTo)
      return started
    },
    onRestart: () => restarts.add(),
  })
  sample(() => supervisor.listeningCount)
  try {
    const http = await startHttpServer({
      ...{ host: metricsHost, port: metricsPort, log },
      metrics: {
        contentType: metrics.contentType,
        async text() {
          const texts = new Map<string, string>()
          for (const [number, report] of await supervisor.reports()) if (report) texts.set(number, report.metrics)
          return `${await metrics.text()}\n${mergedMetrics(texts)}`
        },
      },
      health: () => supervisor.health(),
    })
    log.info({ metricsPort: http.port, processes }, 'supervising')
    return {
      ended: supervisor.ended.finally(() => {
        lostConnections.close()
        // Whatever node:cluster still holds for processes that are gone: nobody is left to be waited for.
        clock.after(lingerMs, () => {
          log.warn(
            { held: process.getActiveResourcesInfo() },
            'something is still open although all processes have ended',
          )
          process.exit()
        })
        return http.close()
      }),
      stop: () => supervisor.stop(),
      kill: () => supervisor.kill(),
    }
  } catch (error) {
    supervisor.stop()
    await supervisor.ended
    throw error
  }
}
