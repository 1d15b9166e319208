import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Metrics } from '../base/metrics.js'
import { version } from '../base/version.js'

/**
 * The process' own metrics, with the names of Prometheus' client libraries. A choice of what prom-client collects by
 * default: that wakes an idle process 100 times a second and observes every garbage collection.
 */
export function processMetrics(metrics: Metrics): void {
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
    'Memory of buffers outside of the heap',
    () => process.memoryUsage().external,
  )

  const resolutionMs = 50
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const delays: [string, () => number][] = [
    ['p50', () => delay.percentile(50)],
    ['p99', () => delay.percentile(99)],
    ['max', () => delay.max],
  ]
  for (const [name, read] of delays) {
    metrics.sampled(
      'gauge',
      `nodejs_eventloop_lag_${name}_seconds`,
      `Delay of the event loop since the last read, ${name}`,
      // The histogram counts its own interval in; the maximum is read last and begins the next period.
      () => {
        const seconds = delay.count === 0 ? 0 : Math.max(0, read() / 1e9 - resolutionMs / 1e3)
        if (name === 'max') delay.reset()
        return seconds
      },
    )
  }
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
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return Number.NaN
  }
}
