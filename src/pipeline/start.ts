import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Cluster } from '../state/cluster.js'
import { noObserver, type PipelineObserver } from './observer.js'
import { type PipelineStatus, startPipeline } from './pipeline.js'
import type { PipelineSpec } from './spec.js'

export { lintPipelines } from './lint.js'
export { pipelineMetrics } from './metrics.js'
export { testPipeline } from './self-test.js'
export { PipelineConfigError, parsePipelines } from './spec.js'

export interface StartOptions {
  cluster: Cluster
  clock: Clock
  random: Random
  log: Log
  observer?: PipelineObserver
  /** Where the `stdout` sink writes; the process's standard output unless given. */
  stdout?: NodeJS.WritableStream
}

export interface RunningPipelines {
  status(): PipelineStatus[]
  /** Stops reading, delivers what was read within each pipeline's `drain_timeout`, commits, releases the leases. */
  close(): Promise<void>
}

/**
 * Starts all pipelines; each runs on one instance of the cluster at a time. `lintPipelines` should have passed.
 *
 * This file is the pipelines' only door: `main` imports it when the configuration has pipelines, and not otherwise.
 */
export function startPipelines(specs: readonly PipelineSpec[], options: StartOptions): RunningPipelines {
  const { cluster, clock, random, log, observer = noObserver, stdout = process.stdout } = options
  const pipelines = specs.map((spec) => startPipeline({ spec, cluster, clock, random, log, observer, stdout }))
  return {
    status: () => pipelines.map((pipeline) => pipeline.status()),
    async close() {
      await Promise.all(pipelines.map((pipeline) => pipeline.close()))
    },
  }
}
