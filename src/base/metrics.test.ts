import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter as PromCounter, Histogram as PromHistogram, Registry } from 'prom-client'
import { createMetrics } from './metrics.js'

test('the text is what prom-client writes for the same observations', async () => {
  const metrics = createMetrics()
  const counter = metrics.counter('a_total', 'Things "counted"', ['kind'])
  counter.with({ kind: 'x"\\\n' }).add()
  counter.with({ kind: 'y' }).add(2.5)
  const histogram = metrics.histogram('b_seconds', 'Durations', [0.1, 1], ['api'])
  for (const seconds of [0.05, 0.1, 0.5, 3]) histogram.with({ api: 'Fetch' }).observe(seconds)

  const registry = new Registry()
  const promCounter = new PromCounter({
    name: 'a_total',
    help: 'Things "counted"',
    labelNames: ['kind'],
    registers: [registry],
  })
  promCounter.inc({ kind: 'x"\\\n' })
  promCounter.inc({ kind: 'y' }, 2.5)
  const promHistogram = new PromHistogram({
    name: 'b_seconds',
    help: 'Durations',
    labelNames: ['api'],
    buckets: [0.1, 1],
    registers: [registry],
  })
  for (const seconds of [0.05, 0.1, 0.5, 3]) promHistogram.observe({ api: 'Fetch' }, seconds)

  const sorted = (text: string) => text.replaceAll(/\{([^}]*)\}/g, (_, labels) => `{${labels.split(',').sort()}}`)
  assert.equal(sorted(await metrics.text()), sorted(await registry.metrics()))
})

test('metrics without labels stand at zero from the start', async () => {
  const metrics = createMetrics()
  metrics.counter('a_total', 'A')
  const gauge = metrics.gauge('b', 'B')
  gauge.set(5)
  gauge.add(-2)
  const text = await metrics.text()
  assert.match(text, /^a_total 0$/m)
  assert.match(text, /^b 3$/m)
})

test('a sampled metric is read when the text is made, and left out when it has no value', async () => {
  const metrics = createMetrics()
  let value = Number.NaN
  metrics.sampled('gauge', 'a', 'A', () => value)
  assert.doesNotMatch(await metrics.text(), /^a /m)
  value = 7
  assert.match(await metrics.text(), /^a 7$/m)
})

test('the same name twice is refused', () => {
  const metrics = createMetrics()
  metrics.gauge('a', 'A')
  assert.throws(() => metrics.counter('a', 'A'), /already been registered/)
})

test('labels without bound end in one child named other', async () => {
  const metrics = createMetrics()
  const counter = metrics.counter('a_total', 'A', ['client'])
  for (let i = 0; i < 1_500; i++) counter.with({ client: String(i) }).add()
  const text = await metrics.text()
  assert.match(text, /^a_total\{client="other"\} 500$/m)
  assert.equal(text.match(/^a_total\{/gm)?.length, 1_001)
})
