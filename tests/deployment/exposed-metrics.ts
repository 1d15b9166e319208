import { createMetrics, type Metrics } from '../../src/base/metrics.js'
import { supervisorMetrics } from '../../src/metrics/supervisor-metrics.js'
import { bindMetrics } from '../../src/metrics.js'
import { pipelineMetrics } from '../../src/pipeline/metrics.js'
import type { OpenCluster } from '../../src/state/open-cluster.js'
import { emptyState } from '../../src/state/views/state.js'

export interface ExposedMetric {
  type: 'counter' | 'gauge' | 'histogram'
  labels: readonly string[]
}

/** Every metric that a gateway exposes, by name. */
export function exposedMetrics(): Map<string, ExposedMetric> {
  const exposed = new Map<string, ExposedMetric>()
  const real = createMetrics()
  const keep = (type: ExposedMetric['type'], name: string, labels: readonly string[] = []) =>
    exposed.set(name, { type, labels })
  const metrics = {
    ...real,
    counter(name: string, help: string, labels: readonly string[]) {
      keep('counter', name, labels)
      return real.counter(name, help, labels)
    },
    gauge(name: string, help: string, labels: readonly string[]) {
      keep('gauge', name, labels)
      return real.gauge(name, help, labels)
    },
    histogram(name: string, help: string, buckets: readonly number[], labels: readonly string[]) {
      keep('histogram', name, labels)
      return real.histogram(name, help, buckets, labels)
    },
    sampled(type: 'counter' | 'gauge', name: string, help: string, read: () => number) {
      keep(type, name)
      real.sampled(type, name, help, read)
    },
  } as Metrics
  bindMetrics(metrics).sample({ proposers: [{ state: emptyState() }] } as unknown as OpenCluster, { idleBytes: 0 })
  pipelineMetrics(metrics)
  supervisorMetrics(metrics).sample(() => 2)
  return exposed
}
