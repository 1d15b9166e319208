import type { Counter, Metrics } from '../base/metrics.js'

/** Defines what a supervisor of several processes says of itself; its processes have all other metrics. */
export function supervisorMetrics(metrics: Metrics): { restarts: Counter; sample(listening: () => number): void } {
  return {
    restarts: metrics.counter(
      'heraclitus_process_restarts_total',
      'Processes started again after they had ended (with processes above 1)',
    ),
    sample: (listening) =>
      metrics.sampled(
        'gauge',
        'heraclitus_processes',
        'Processes that listen for clients (with processes above 1)',
        listening,
      ),
  }
}
