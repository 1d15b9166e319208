import { readdirSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { Histogram, Metrics } from '../base/metrics.js'
import { version } from '../base/version.js'
import { eventLoopDelayMetrics } from './event-loop-delay.js'

/**
 * The process' own metrics, with the names of Prometheus' client libraries. A choice of what prom-client collects by
 * default: that wakes an idle process 100 times a second and observes every garbage collection.
 */
export function processMetrics(metrics: Metrics): { eventLoopDelay: Histogram } {
  metrics.sampled('counter', 'process_cpu_seconds_total', 'User and system CPU time spent', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.sampled('gauge', 'process_start_time_seconds', 'Start of the process, seconds since the epoch', () =>
    Math.round(performance.timeOrigin / 1000),
  )
  metrics.sampled('gauge', 'process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss())
  metrics.sampled('gauge', 'process_open_fds', 'Open file descriptors (Linux only)', openFiles)
  metrics.sampled(
    'gauge',
    'nodejs_heap_size_used_bytes',
    "Used part of V8's heap",
    () => process.memoryUsage().heapUsed,
  )
  metrics.sampled(
    'gauge',
    'nodejs_external_memory_bytes',
    'Memory of buffers outside of the heap; once files are mapped, 128 MiB of addresses for them, which take none themselves',
    () => process.memoryUsage().external,
  )

  const eventLoopDelay = eventLoopDelayMetrics(metrics)
  let before = performance.eventLoopUtilization()
  metrics.sampled(
    'gauge',
    'nodejs_eventloop_utilization',
    'Share of time the event loop was busy since the last read, 0 to 1',
    () => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      return utilization
    },
  )
  metrics
    .gauge('heraclitus_build_info', 'The version that runs', ['version', 'node'])
    .with({ version, node: process.version })
    .set(1)
  return { eventLoopDelay }
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return Number.NaN
  }
}
