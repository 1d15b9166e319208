import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../base/metrics.js'
import { mergedMetrics } from './merged-metrics.js'

test('the samples of a metric stand together, each with its process', async () => {
  const texts = new Map<string, string>()
  for (const process of ['1', '2']) {
    const metrics = createMetrics()
    metrics.counter('connections_total', 'Connections').add(Number(process))
    metrics.counter('requests_total', 'Requests', ['api']).with({ api: 'a { b } "c' }).add(5)
    metrics.histogram('seconds', 'Durations', [1]).observe(0.5)
    if (process === '2') metrics.sampled('gauge', 'only_there', 'Something', () => 7)
    texts.set(process, await metrics.text())
  }
  assert.equal(
    mergedMetrics(texts),
    `# HELP connections_total Connections
# TYPE connections_total counter
connections_total{process="1"} 1
connections_total{process="2"} 2

# HELP requests_total Requests
# TYPE requests_total counter
requests_total{process="1",api="a { b } \\"c"} 5
requests_total{process="2",api="a { b } \\"c"} 5

# HELP seconds Durations
# TYPE seconds histogram
seconds_bucket{process="1",le="1"} 1
seconds_bucket{process="1",le="+Inf"} 1
seconds_sum{process="1"} 0.5
seconds_count{process="1"} 1
seconds_bucket{process="2",le="1"} 1
seconds_bucket{process="2",le="+Inf"} 1
seconds_sum{process="2"} 0.5
seconds_count{process="2"} 1

# HELP only_there Something
# TYPE only_there gauge
only_there{process="2"} 7
`,
  )
})
