import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Load, loadsOf, nameOf } from './loads.js'
import { optionsOf, UsageError } from './options.js'
import { type Report, reportOf } from './report.js'
import type { Measurement } from './rounds.js'
import type { ScenarioRun } from './scenarios/report.js'

const load: Load = {
  client: 'franz-go',
  modes: ['produce'],
  size: 1000,
  compression: 'none',
  partitions: 8,
  acks: 'all',
  durability: 'page cache',
}

function measured(side: string, seconds: number, serverCpuSeconds: number): Measurement {
  const result = { client: 'franz-go', version: 'v1', records: 1_000_000, seconds, p50Ms: 1, p99Ms: 2, checksum: 0 }
  const rest = { cpuSeconds: 1, disorder: 0, idempotent: true, serverRssMib: 100 }
  return { ...result, ...rest, load, mode: 'produce', side, serverCpuSeconds }
}

function report(measurements: Measurement[], failures: string[] = [], scenarioRuns: ScenarioRun[] = []): string {
  const about: Omit<Report, 'measurements' | 'failures' | 'scenarioRuns'> = {
    ...{ command: 'npm run bench', date: '2025-01-01 12:00', machine: [['CPU', 'one']], sides: ['ours', 'Kafka'] },
    ...{ rounds: 3, startUps: new Map(), microRates: [] },
  }
  return reportOf({ ...about, measurements, failures, scenarioRuns })
}

test('a ratio in the report is our median divided by the peer’s', () => {
  const text = report([
    ...[1, 2, 4].map((seconds) => measured('ours', seconds, 0.5)),
    ...[4, 4, 1].map((seconds) => measured('Kafka', seconds, 2)),
  ])
  const row = text.split('\n').find((line) => line.startsWith('| franz-go, 1000 B, none, 8 partitions |'))
  const cells = row?.split('|').map((cell) => cell.trim())
  assert.deepEqual(cells?.slice(2, 8), ['500,000', '250,000', '**2.00**', '0.500', '2.00', '**0.25**'])
})

test('the report shows least, median and most of what was measured', () => {
  const text = report([1, 2, 4].map((seconds) => measured('ours', seconds, 0.5)))
  assert.match(text, /250,000 \/ 500,000 \/ 1,000,000/)
})

test('what failed stands in the report', () => {
  assert.match(report([], ['Kafka, franz-go: timeout']), /## Failures\n\n- Kafka, franz-go: timeout/)
})

test('a scenario has a section with least, median and most of each side and their ratio', () => {
  const run = (side: string, joinMs: number) => ({
    scenario: 'group-join',
    side,
    figures: { joinMs, generations: null },
  })
  const text = report([], [], [run('ours', 100), run('Kafka', 400), run('ours', 300), run('ours', 200)])
  assert.match(text, /^## group-join$/m)
  assert.match(text, /^\| until all are stable, ms \| 100 \/ 200 \/ 300 \| 400 \/ 400 \/ 400 \| \*\*0\.50\*\* \|$/m)
  assert.match(text, /^\| generations until stable \| – \| – \| – \|$/m)
})

test('what two processes would give is told from the core that they share', () => {
  const run = (side: string, rate: number, cpu: number) => ({
    scenario: 'processes',
    side,
    figures: { 'large, one core': rate, 'large CPU, anywhere': cpu },
  })
  const text = report([], [], [run('2 processes', 90, 1.25), run('1 process', 100, 1)])
  assert.match(text, /\*\*1\.80 ×\*\* by records\/s on one core; \*\*1\.60 ×\*\* by CPU per record/)
})

test('scenarios run unless something is asked that is about single loads', () => {
  assert.ok(optionsOf([]).scenarios.includes('commits'))
  assert.deepEqual(optionsOf(['--only=commits']).scenarios, ['commits'])
  assert.deepEqual(optionsOf(['--only=java']).scenarios, [])
  assert.deepEqual(optionsOf(['--modes=consume']).scenarios, [])
  assert.deepEqual(loadsOf(optionsOf(['--only=commits'])), [])
})

test('only a whole run writes the results without being told to', () => {
  assert.match(optionsOf(['--rounds=3']).output ?? '', /bench\/results\.md$/)
  for (const partial of ['--only=java', '--short', '--sizes=100', '--no-peer', '--profile', '--no-start-up'])
    assert.equal(optionsOf([partial]).output, undefined, partial)
  assert.equal(optionsOf(['--only=java', '--output=x.md']).output, 'x.md')
})

test('lists on the command line make all combinations of them', () => {
  const loads = loadsOf(
    optionsOf(['--only=franz-go,kafkajs', '--partitions=1,64', '--sizes=100', '--durability=fsync']),
  )
  assert.deepEqual(loads.map(nameOf), [
    'franz-go, 100 B, none, 1 partition, fsync',
    'franz-go, 100 B, none, 64 partitions, fsync',
    'kafkajs, 100 B, none, 1 partition, fsync',
    'kafkajs, 100 B, none, 64 partitions, fsync',
  ])
})

test('a mode that a client has not is left out', () => {
  const loads = loadsOf(optionsOf(['--only=java', '--modes=round-trip,consume', '--partitions=8']))
  assert.deepEqual(
    loads.map(({ modes }) => modes),
    [['consume']],
  )
})

test('an option that can’t be followed is refused by its name', () => {
  assert.throws(() => optionsOf(['--rounds=0']), new UsageError('--rounds: a number above 0, not "0"'))
  assert.throws(() => optionsOf(['--acks=2']), new UsageError('--acks: one of all, 1, 0, not "2"'))
  assert.throws(() => optionsOf(['--ours=localhost:9092']), UsageError)
  assert.throws(() => optionsOf(['--fast']), UsageError)
})
