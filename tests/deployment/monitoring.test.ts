import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { repositoryRoot } from '../integration/tools.js'
import { exposedMetrics } from './exposed-metrics.js'
import { findTool, run } from './tools.js'

/** The dashboard and the alert rules ask for what a gateway exposes, in a language that Prometheus understands. */

interface Panel {
  title: string
  type: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { expr: string }[]
}

const prometheus = join(repositoryRoot, 'deploy/prometheus')
const alerts = readFileSync(join(prometheus, 'alerts.yml'), 'utf8')
const dashboard = JSON.parse(readFileSync(join(repositoryRoot, 'deploy/grafana/heraclitus.json'), 'utf8')) as {
  uid: string
  panels: Panel[]
  templating: { list: { name: string }[] }
}
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const exposed = exposedMetrics()
const promtool = await findTool('promtool', 'bin/promtool')

/** Each expression with where it stands. */
const expressions = [
  ...panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ where: title, expr }))),
  ...[...alerts.matchAll(/- alert: (\S+)\n(?:\s+#.*\n)*\s+expr: (?:>-\n)?([\s\S]*?)\n\s+(?:for|labels):/g)].map(
    ([, where = '', expr = '']) => ({ where, expr }),
  ),
]

test('the dashboard and the rules ask for metrics and labels that exist', () => {
  const rules = expressions.filter(({ where }) => /^(Heraclitus|Hermod)[A-Z]/.test(where))
  assert.equal(rules.length, alerts.split('- alert:').length - 1)
  assert.ok(panels.every(({ targets }) => (targets ?? []).length > 0))
  assert.deepEqual(
    expressions.flatMap(({ where, expr }) => complaints(expr).map((complaint) => `${where}: ${complaint}`)),
    [],
  )
})

test('what does not exist is found', () => {
  assert.deepEqual(complaints('rate(heraclitus_ghosts_total[5m])'), ['there is no heraclitus_ghosts_total'])
  assert.deepEqual(complaints('heraclitus_topics_bucket'), ['there is no heraclitus_topics_bucket'])
  assert.deepEqual(complaints('heraclitus_request_duration_seconds'), [
    'heraclitus_request_duration_seconds is a histogram',
  ])
  assert.deepEqual(complaints('rate(heraclitus_topics[5m])'), ['rate of the gauge heraclitus_topics'])
  assert.deepEqual(complaints('sum by (topic) (heraclitus_requests_total{colour="red"})'), [
    'heraclitus_requests_total has no label colour',
    'nothing here has a label topic',
  ])
})

test('no two panels overlap', () => {
  const taken = new Map<string, string>()
  for (const { title, gridPos } of dashboard.panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(x < 24, `${title} is too wide`)
        assert.equal(taken.get(`${x},${y}`), undefined, `${title} overlaps`)
        taken.set(`${x},${y}`, title)
      }
})

test('promtool understands the configuration and the rules, and their tests pass', {
  skip: promtool.skip,
}, async () => {
  const tool = promtool.tool as string
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ]) {
    const { code, stdout, stderr } = await run(tool, args, { cwd: prometheus })
    assert.equal(code, 0, stdout + stderr)
  }
})

test("promtool understands the dashboard's expressions", { skip: promtool.skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heraclitus-dashboard-'))
  try {
    const variables: Record<string, string> = { $__rate_interval: '1m', $job: 'j', $instance: 'i' }
    const rules = expressions.map(({ expr }, number) => ({
      record: `panel:${number}`,
      expr: expr.replace(/\$\w+/g, (name) => variables[name] ?? assert.fail(`${name} is not a variable of ours`)),
    }))
    // JSON is YAML.
    writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    const { code, stdout, stderr } = await run(promtool.tool as string, ['check', 'rules', join(folder, 'rules.yml')])
    assert.equal(code, 0, stdout + stderr)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function metricNames(expr: string): string[] {
  return expr.match(/\b(heraclitus|hermod|process|nodejs)_[a-z0-9_]+/g) ?? []
}

/** The metric whose series that is: histograms have three kinds. */
function familyOf(series: string): string {
  const family = series.replace(/_(bucket|sum|count)$/, '')
  return exposed.get(family)?.type === 'histogram' ? family : series
}

/** What Prometheus adds by itself. */
const ownLabels = ['job', 'instance', 'le']

function complaints(expr: string): string[] {
  const found: string[] = []
  const labels = new Set(ownLabels)
  for (const series of metricNames(expr)) {
    const metric = exposed.get(familyOf(series))
    if (metric === undefined) found.push(`there is no ${series}`)
    else if (metric.type === 'histogram' && familyOf(series) === series) found.push(`${series} is a histogram`)
    for (const label of metric?.labels ?? []) labels.add(label)
  }
  for (const [, series = '', matchers = ''] of expr.matchAll(/(\w+)\{([^}]*)\}/g)) {
    const known = exposed.get(familyOf(series))?.labels ?? []
    for (const [, label = ''] of matchers.matchAll(/(\w+)\s*[=!]/g))
      if (![...known, ...ownLabels].includes(label)) found.push(`${series} has no label ${label}`)
  }
  for (const [, list = ''] of expr.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list.split(/,\s*/)) if (!labels.has(label)) found.push(`nothing here has a label ${label}`)
  for (const [, change, series = ''] of expr.matchAll(/\b(rate|increase)\((\w+)/g))
    if (exposed.get(series)?.type === 'gauge') found.push(`${change} of the gauge ${series}`)
  return found
}
