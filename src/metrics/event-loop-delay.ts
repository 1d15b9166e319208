import { createHistogram } from 'node:perf_hooks'
import type { Clock, Timer } from '../base/clock.js'
import type { Histogram, Metrics } from '../base/metrics.js'

/**
 * Looks at the event loop so often, milliseconds. Each look wakes an idle process, which at 20 ms costs it 0.5 % of a core
 * and at 50 ms 0.2 %.
 */
const intervalMs = 50
/** Looks missed in one standstill that are counted, at most: of ten seconds. */
const missedMax = 200

/** Seconds; 0.02 is what the p99.9 under load is to stay below. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

/** Defines the metrics that `watchEventLoop` fills. */
export function eventLoopDelayMetrics(metrics: Metrics): Histogram {
  const sinceRead = createHistogram()
  const delays: [string, () => number][] = [
    ['p50', () => sinceRead.percentile(50)],
    ['p99', () => sinceRead.percentile(99)],
    ['max', () => sinceRead.max],
  ]
  for (const [name, read] of delays) {
    metrics.sampled(
      'gauge',
      `nodejs_eventloop_lag_${name}_seconds`,
      `Delay of the event loop since the last read, ${name}`,
      // The maximum is read last and begins the next period.
      () => {
        const seconds = sinceRead.count === 0 ? 0 : read() / 1e9
        if (name === 'max') sinceRead.reset()
        return seconds
      },
    )
  }
  const ever = metrics.histogram(
    'nodejs_eventloop_delay_seconds',
    `How late the event loop gets to what is due, looked at every ${intervalMs} ms`,
    buckets,
  )
  return {
    observe(seconds) {
      ever.observe(seconds)
      sinceRead.record(Math.max(1, Math.round(seconds * 1e9)))
    },
  }
}

/**
 * Observes how late a timer comes, again and again. Looks that a standstill kept from being made are counted as well, each
 * with the rest of the standstill that it would have met: otherwise a long one would count as little as a short one
 * ("coordinated omission").
 */
export function watchEventLoop(delays: Histogram, clock: Clock): { stop(): void } {
  let timer: Timer
  const wait = () => {
    const dueMs = clock.monotonic() + intervalMs
    timer = clock.after(intervalMs, () => {
      let delayMs = Math.max(0, clock.monotonic() - dueMs)
      for (let looks = 0; looks <= missedMax; looks++) {
        delays.observe(delayMs / 1_000)
        delayMs -= intervalMs
        if (delayMs <= 0) break
      }
      wait()
    })
  }
  wait()
  return { stop: () => timer.cancel() }
}
