import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertGeneratedPart } from '../tests/support/generated-docs.js'
import { createMetrics } from './base/metrics.js'
import { supervisorMetrics } from './metrics/supervisor-metrics.js'
import { bindMetrics } from './metrics.js'
import { pipelineMetrics } from './pipeline/metrics.js'
import { emptyState } from './state/views/state.js'

/** The metrics as a running gateway has them. */
function bound() {
  const metrics = createMetrics()
  const observers = bindMetrics(metrics)
  const proposers = [1_500, 800].map((ms) => ({ state: emptyState(), tailAgeMs: () => ms }))
  const cluster = {
    proposers,
    proposer: proposers[0],
    topics: { all: () => [] },
    ledgerSequence: (ledger: number) => [5, 3][ledger],
    cachedBytes: () => 4096,
    heldBytes: () => 512,
    idleBytes: () => 256,
  }
  observers.sample(cluster as unknown as Parameters<typeof observers.sample>[0], { idleBytes: 128 })
  pipelineMetrics(metrics)
  supervisorMetrics(metrics).sample(() => 2)
  return { metrics, observers }
}

test('what happens at the Kafka port is counted by API and error', async () => {
  const { metrics, observers } = bound()
  const { requests } = observers
  requests.connectionOpened()
  requests.connectionOpened()
  requests.connectionRefused()
  requests.connectionClosed('idleTimeout')
  const request = { api: 'Produce', version: 9, requestBytes: 100, responseBytes: 20 }
  requests.requestDone({ ...request, errorCode: 0, seconds: 0.002 })
  requests.requestDone({ ...request, errorCode: 0, seconds: 0.2 })
  requests.requestDone({ ...request, errorCode: 2, seconds: 0.2 })
  const text = await metrics.text()
  for (const line of [
    /^heraclitus_connections_total 2$/m,
    /^heraclitus_active_connections 1$/m,
    /^heraclitus_connections_refused_total 1$/m,
    /^heraclitus_connections_closed_total\{reason="idleTimeout"\} 1$/m,
    /^heraclitus_requests_total\{api="Produce",.*error="NONE"\} 2$/m,
    /^heraclitus_requests_total\{api="Produce",.*error="CORRUPT_MESSAGE"\} 1$/m,
    /^heraclitus_request_duration_seconds_bucket\{api="Produce",le="0.0025"\} 1$/m,
    /^heraclitus_request_duration_seconds_count\{api="Produce"\} 3$/m,
  ])
    assert.match(text, line)
})

test('what happens in ledger, store and cache is counted', async () => {
  const { metrics, observers } = bound()
  const { store, purposes, cache } = observers
  const { ledgerObserver: ledger, upkeepObserver: upkeep, cleanerObserver: cleaner } = observers.ofLedger(0)
  purposes.asked('backfill', 'get')
  purposes.waited('backfill', 0.25)
  purposes.hedged('put', true)
  purposes.hedged('get', false)
  ledger.entryApplied(true, 7)
  ledger.entryApplied(false, 8)
  ledger.conflict()
  ledger.partVoid()
  ledger.putFailed()
  ledger.entryStored(0.004, 1000)
  ledger.snapshotStored(0.001, 0.02, 5000)
  store.finished({ operation: 'put', outcome: 'exists', durationMs: 3, bytes: 10, objects: 0 })
  upkeep.compacted(12, 1_000, 0.02, true)
  upkeep.compacted(3, 500, 0.02, false)
  upkeep.compactionFailed()
  upkeep.collected('entry', 7)
  upkeep.kept('segment', 5, 2_000)
  upkeep.kept('segment', 2, 600)
  observers.ofLedger(1).upkeepObserver.kept('segment', 1, 300)
  const cleaning = {
    outcome: 'complete' as const,
    bytesRead: 900,
    bytesWritten: 300,
    records: 10,
    removed: 6,
    opaqueBatches: 1,
    seconds: 1,
  }
  cleaner.cleaned(cleaning)
  cleaner.cleaned({ ...cleaning, outcome: 'void' })
  cleaner.cleaningFailed()
  cleaner.looked(0.25)
  observers.ofLedger(1).cleanerObserver.looked(0.125)
  observers.cleaningWorker.started()
  observers.cleaningWorker.failed('work')
  observers.cleaningWorker.ended()
  observers.cleaningWorker.failed('start')
  observers.cleaningWorker.started()
  cache.lookedUp(true)
  cache.lookedUp(false)
  const text = await metrics.text()
  for (const line of [
    'heraclitus_ledger_entries_total{by="self"} 1',
    'heraclitus_compactions_total{outcome="replaced"} 1',
    'heraclitus_compactions_total{outcome="void"} 1',
    'heraclitus_compactions_total{outcome="failed"} 1',
    'heraclitus_compacted_ranges_total 12',
    'heraclitus_compacted_bytes_total 1500',
    'heraclitus_collected_objects_total{kind="entry"} 7',
    'heraclitus_stored_objects{kind="segment"} 3',
    'heraclitus_stored_bytes{kind="segment"} 900',
    'heraclitus_cleanings_total{outcome="complete"} 1',
    'heraclitus_cleanings_total{outcome="void"} 1',
    'heraclitus_cleanings_total{outcome="failed"} 1',
    'heraclitus_cleaned_records_total{fate="kept"} 8',
    'heraclitus_cleaned_records_total{fate="removed"} 12',
    'heraclitus_cleaned_bytes_total{direction="read"} 1800',
    'heraclitus_cleaned_bytes_total{direction="written"} 600',
    'heraclitus_opaque_batches_total 2',
    'heraclitus_cleaning_duration_seconds_sum 2',
    'heraclitus_max_dirty_ratio 0.25',
    'heraclitus_cleaning_threads 1',
    'heraclitus_cleaning_thread_failures_total{when="start"} 1',
    'heraclitus_cleaning_thread_failures_total{when="work"} 1',
    'heraclitus_log_bytes 0',
    'heraclitus_log_ranges 0',
    'heraclitus_ledger_entries_total{by="other"} 1',
    'heraclitus_ledgers 2',
    'heraclitus_ledger_position 8',
    'heraclitus_ledger_conflicts_total 1',
    'heraclitus_ledger_void_parts_total 1',
    'heraclitus_ledger_put_failures_total 1',
    'heraclitus_ledger_put_duration_seconds_count 1',
    'heraclitus_ledger_flush_bytes_sum 1000',
    'heraclitus_snapshot_bytes 5000',
    'heraclitus_store_requests_total{operation="put",outcome="exists"} 1',
    'heraclitus_store_bytes_total{operation="put"} 10',
    'heraclitus_cache_hits_total 1',
    'heraclitus_cache_misses_total 1',
    'heraclitus_ledger_tail_age_seconds 1.5',
    'heraclitus_topics 0',
    'heraclitus_partitions 0',
    'heraclitus_groups 0',
    'heraclitus_writers 0',
    'heraclitus_cache_bytes 4096',
    'heraclitus_read_bytes 512',
    'heraclitus_store_hedges_total{operation="put",first="second"} 1',
    'heraclitus_store_hedges_total{operation="get",first="original"} 1',
    'heraclitus_store_purposes_total{purpose="backfill",operation="get"} 1',
    'heraclitus_store_wait_duration_seconds_sum{purpose="backfill"} 0.25',
  ])
    assert.ok(text.includes(`${line}\n`), line)
})

test("the process' own metrics have plausible values", async () => {
  const { metrics } = bound()
  const text = await metrics.text()
  const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
  assert.ok(value('process_cpu_seconds_total') > 0)
  assert.ok(value('process_resident_memory_bytes') > 10_000_000)
  const age = Date.now() / 1000 - value('process_start_time_seconds')
  assert.ok(age >= -1 && age < 3600, `${age}`)
  const utilization = value('nodejs_eventloop_utilization')
  assert.ok(utilization >= 0 && utilization <= 1)
  assert.ok(value('nodejs_eventloop_lag_p99_seconds') >= 0)
  assert.match(text, /^heraclitus_build_info\{version="\d+\.\d+\.\d+",node="v\d/m)
})

test('how late the event loop is can be told to be below 20 ms or above', async () => {
  const { metrics, observers } = bound()
  observers.eventLoopDelay.observe(0.0199)
  observers.eventLoopDelay.observe(0.03)
  const text = await metrics.text()
  assert.match(text, /^nodejs_eventloop_delay_seconds_bucket\{le="0\.02"\} 1$/m)
  assert.match(text, /^nodejs_eventloop_delay_seconds_count 2$/m)
})

test('docs/operations.md names every metric, and no other', async () => {
  const text = await bound().metrics.text()
  const rows = [...text.matchAll(/^# HELP (\S+) (.+?)\.?\n# TYPE \S+ (\S+)$/gm)].map(
    ([, name, help, type]) => `| \`${name}\` | ${type} | ${help} |`,
  )
  const table = ['| metric | type | what it says |', '| --- | --- | --- |', ...rows, ''].join('\n')
  assertGeneratedPart('docs/operations.md', 'metrics', table)
})
