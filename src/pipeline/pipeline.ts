import { messageOf } from '../base/errors.js'
import type { Lease } from '../state/cluster.js'
import { backoffMs } from './retry.js'
import { LeaseLostError, type RunOptions, runPipeline } from './runner.js'
import { groupOf, leaseOf } from './spec.js'

/**
 * `waiting`: another instance has the lease. `running`: this one works. `failed`: this one can't, and tries again
 * from the committed offsets after a while. `stopped`: closed.
 */
export type PipelineState = 'waiting' | 'running' | 'failed' | 'stopped'

export interface PipelineStatus {
  name: string
  state: PipelineState
  /** Why it is `failed`. */
  reason?: string
}

export interface Pipeline {
  status(): PipelineStatus
  /** Delivers what was read, commits, lets the lease go. */
  close(): Promise<void>
}

export type PipelineOptions = Omit<RunOptions, 'lease' | 'identity' | 'stopping' | 'moved'>

/** A failed pipeline begins anew after these; another instance may take it over meanwhile. */
const restart = { attempts: Number.POSITIVE_INFINITY, intervalMs: 5_000, maxIntervalMs: 5 * 60_000 }

/** Keeps one pipeline going as long as this instance lives: wait for the lease, run, begin anew. */
export function startPipeline(options: PipelineOptions): Pipeline {
  const { spec, cluster, clock, random, log, observer } = options
  const stop = new AbortController()
  let state: PipelineState = 'waiting'
  let reason: string | undefined
  let failures = 0
  let identity: string | undefined

  const runUnder = async (lease: Lease) => {
    observer.leaseAcquired(spec.name)
    observer.running(spec.name, true)
    log.info({ pipeline: spec.name, term: lease.term }, 'pipeline runs on this instance')
    try {
      // After a failure it counts as running again when something got through.
      if (failures === 0) state = 'running'
      const result = await runPipeline({
        ...options,
        lease,
        identity,
        stopping: stop.signal,
        moved() {
          failures = 0
          state = 'running'
          reason = undefined
        },
      })
      identity = result.identity ?? identity
    } finally {
      observer.running(spec.name, false)
      await lease
        .release()
        .catch((error) => log.warn({ pipeline: spec.name, err: error }, 'releasing the lease failed'))
    }
  }

  const supervise = async () => {
    while (!stop.signal.aborted) {
      try {
        if (failures === 0) state = 'waiting'
        await runUnder(await cluster.leases.acquire(leaseOf(spec.name), stop.signal, groupOf(spec.name)))
      } catch (error) {
        if (stop.signal.aborted) {
          if (error !== stop.signal.reason)
            log.error({ pipeline: spec.name, err: error }, 'pipeline stopped with an error')
          break
        }
        if (error instanceof LeaseLostError) {
          observer.leaseLost(spec.name)
          log.warn({ pipeline: spec.name }, 'lease lost: another instance goes on')
          continue
        }
        failures++
        state = 'failed'
        reason = messageOf(error)
        const waitMs = backoffMs(restart, failures, random)
        log.error(
          { pipeline: spec.name, err: error, waitMs: Math.round(waitMs) },
          `pipeline failed, begins anew from the committed offsets: ${reason}`,
        )
        await clock.sleep(waitMs, stop.signal)
      }
    }
    state = 'stopped'
  }

  const supervised = supervise()
  return {
    status: () => ({ name: spec.name, state, ...(state === 'failed' && reason !== undefined ? { reason } : {}) }),
    async close() {
      stop.abort(new Error(`pipeline ${spec.name} is closing`))
      await supervised
    },
  }
}
