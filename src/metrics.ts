import type { Histogram, Metrics } from './base/metrics.js'
import { byteBuckets, durationBuckets } from './base/metrics.js'
import { processMetrics } from './metrics/process-metrics.js'
import { errorName } from './protocol/error-codes.js'
import type { RequestObserver } from './server/request-observer.js'
import type { LedgerObserver } from './state/ledger/observer.js'
import type { CleanerObserver } from './state/log/cleaner-observer.js'
import type { CacheObserver } from './state/log/log-bytes.js'
import type { UpkeepObserver } from './state/log/observer.js'
import type { LedgerObservers, OpenCluster } from './state/open-cluster.js'
import type { StoreObserver } from './state/store/metered.js'
import type { PurposeObserver } from './state/store/purposes.js'
import type { PartitionLog } from './state/views/partition-log.js'
import type { CleaningWorkerObserver } from './workers/cleaning-worker.js'

/** The observers of all layers, bound to metrics. */
export interface Observers {
  eventLoopDelay: Histogram
  store: StoreObserver
  purposes: PurposeObserver
  cache: CacheObserver
  ofLedger(ledger: number): Required<LedgerObservers>
  cleaningWorker: CleaningWorkerObserver
  requests: RequestObserver
  /** Adds what is not counted as it happens, but asked of the state when the metrics are read. */
  sample(cluster: OpenCluster, frames: { idleBytes: number }): void
}

/** Defines the gateway's metrics; `docs/operations.md` lists them. */
export function bindMetrics(metrics: Metrics): Observers {
  const ofProcess = processMetrics(metrics)
  const ledgerObserver = ledgerMetrics(metrics)
  const upkeepOf = upkeepMetrics(metrics)
  const cleanerOf = cleanerMetrics(metrics)
  const cleaningWorker = cleaningWorkerMetrics(metrics)
  return {
    ...ofProcess,
    store: storeMetrics(metrics),
    purposes: purposeMetrics(metrics),
    cache: cacheMetrics(metrics),
    ofLedger: (ledger) => ({ ledgerObserver, upkeepObserver: upkeepOf(ledger), cleanerObserver: cleanerOf(ledger) }),
    cleaningWorker,
    requests: requestMetrics(metrics),
    sample: (cluster, frames) => {
      sampleCluster(metrics, cluster)
      sampleFrames(metrics, frames)
    },
  }
}

function storeMetrics(metrics: Metrics): StoreObserver {
  const requests = metrics.counter('heraclitus_store_requests_total', 'Requests to the object store.', [
    'operation',
    'outcome',
  ])
  const bytes = metrics.counter(
    'heraclitus_store_bytes_total',
    'Bytes of objects sent to and received from the store.',
    ['operation'],
  )
  const lentBytes = metrics.counter(
    'heraclitus_store_mapped_bytes_total',
    'Bytes of objects that were sent from the page cache without being read; heraclitus_store_bytes_total has them too.',
  )
  const lentNow = metrics.gauge(
    'heraclitus_store_mappings_bytes',
    'Bytes of objects that are mapped now, to be sent; a second after nobody uses them they are not.',
  )
  const seconds = metrics.histogram(
    'heraclitus_store_request_duration_seconds',
    'Time of a request to the object store.',
    durationBuckets,
    ['operation'],
  )
  return {
    finished(request) {
      const { operation, outcome } = request
      requests.with({ operation, outcome }).add()
      bytes.with({ operation }).add(request.bytes)
      seconds.with({ operation }).observe(request.durationMs / 1_000)
    },
    lent(bytes) {
      lentBytes.add(bytes)
      lentNow.add(bytes)
    },
    givenBack: (bytes) => lentNow.add(-bytes),
  }
}

function purposeMetrics(metrics: Metrics): PurposeObserver {
  const asked = metrics.counter(
    'heraclitus_store_purposes_total',
    'Requests to the store by what they are for: ledger, tail (records just written), backfill (other records), upkeep.',
    ['purpose', 'operation'],
  )
  const waited = metrics.histogram(
    'heraclitus_store_wait_duration_seconds',
    'Time that a request had to wait until others of its purpose were done; those that had not are not counted.',
    durationBuckets,
    ['purpose'],
  )
  const hedges = metrics.counter(
    'heraclitus_store_hedges_total',
    'Puts and gets that took unusually long and were made a second time, by which attempt answered first.',
    ['operation', 'first'],
  )
  return {
    hedged: (operation, isFirst) => hedges.with({ operation, first: isFirst ? 'second' : 'original' }).add(),
    asked: (purpose, operation) => asked.with({ purpose, operation }).add(),
    waited: (purpose, seconds) => waited.with({ purpose }).observe(seconds),
  }
}

function ledgerMetrics(metrics: Metrics): LedgerObserver {
  const entries = metrics.counter('heraclitus_ledger_entries_total', 'Ledger entries applied, by who wrote them.', [
    'by',
  ])
  const [own, other] = [entries.with({ by: 'self' }), entries.with({ by: 'other' })]
  const voids = metrics.counter('heraclitus_ledger_void_parts_total', 'Parts without effect by the writer-index rule.')
  const conflicts = metrics.counter('heraclitus_ledger_conflicts_total', 'Places in the ledger lost to another writer.')
  const failures = metrics.counter(
    'heraclitus_ledger_put_failures_total',
    'Puts of entries that failed, and were repeated.',
  )
  const putSeconds = metrics.histogram(
    'heraclitus_ledger_put_duration_seconds',
    'Time from the first put of an entry until the store has it.',
    durationBuckets,
  )
  const flushBytes = metrics.histogram('heraclitus_ledger_flush_bytes', 'Size of the entries written.', byteBuckets)
  const snapshots = metrics.counter('heraclitus_snapshots_total', 'Snapshots written.')
  const snapshotBytes = metrics.gauge('heraclitus_snapshot_bytes', 'Size of the last snapshot written.')
  const snapshotSeconds = metrics.histogram(
    'heraclitus_snapshot_duration_seconds',
    'Longest time for which a snapshot held up everything else, and time to encode and store it.',
    durationBuckets,
    ['phase'],
  )
  return {
    entryApplied: (isOwn) => (isOwn ? own : other).add(),
    partVoid: () => voids.add(),
    conflict: () => conflicts.add(),
    entryStored(seconds, bytes) {
      putSeconds.observe(seconds)
      flushBytes.observe(bytes)
    },
    putFailed: () => failures.add(),
    snapshotStored(stallSeconds, seconds, bytes) {
      snapshots.add()
      snapshotBytes.set(bytes)
      snapshotSeconds.with({ phase: 'stall' }).observe(stallSeconds)
      snapshotSeconds.with({ phase: 'total' }).observe(seconds)
    },
  }
}

function cacheMetrics(metrics: Metrics): CacheObserver {
  const hits = metrics.counter('heraclitus_cache_hits_total', 'Reads of record bytes that were in memory.')
  const misses = metrics.counter('heraclitus_cache_misses_total', 'Reads of record bytes that went to the store.')
  return { lookedUp: (isHit) => (isHit ? hits : misses).add() }
}

function upkeepMetrics(metrics: Metrics): (ledger: number) => UpkeepObserver {
  const compactions = metrics.counter(
    'heraclitus_compactions_total',
    'Segments written by outcome: replaced the ranges, void (somebody was quicker), failed.',
    ['outcome'],
  )
  const [replaced, voids, failed] = [
    compactions.with({ outcome: 'replaced' }),
    compactions.with({ outcome: 'void' }),
    compactions.with({ outcome: 'failed' }),
  ]
  const ranges = metrics.counter('heraclitus_compacted_ranges_total', 'Ranges that were moved into segments.')
  const bytes = metrics.counter('heraclitus_compacted_bytes_total', 'Bytes of record batches written to segments.')
  const seconds = metrics.histogram(
    'heraclitus_compaction_duration_seconds',
    'Time to read the ranges of a segment, to store it and to have it take their place.',
    durationBuckets,
  )
  const collected = metrics.counter('heraclitus_collected_objects_total', 'Objects deleted, by kind.', ['kind'])
  const objects = metrics.gauge(
    'heraclitus_stored_objects',
    "Objects that the collector's last pass on this instance left, by kind; of entries those old enough to go.",
    ['kind'],
  )
  const storedBytes = metrics.gauge('heraclitus_stored_bytes', 'The size of these objects.', ['kind'])
  const [kept, keptBytes] = [new PerLedger(sumOf), new PerLedger(sumOf)]
  return (ledger) => ({
    compacted(count, length, taken, isReplaced) {
      const outcome = isReplaced ? replaced : voids
      outcome.add()
      bytes.add(length)
      seconds.observe(taken)
      if (isReplaced) ranges.add(count)
    },
    compactionFailed: () => failed.add(),
    collected: (kind, count) => collected.with({ kind }).add(count),
    kept(kind, count, length) {
      objects.with({ kind }).set(kept.set(kind, ledger, count))
      storedBytes.with({ kind }).set(keptBytes.set(kind, ledger, length))
    },
  })
}

function cleanerMetrics(metrics: Metrics): (ledger: number) => CleanerObserver {
  const cleanings = metrics.counter(
    'heraclitus_cleanings_total',
    'Cleanings of partitions of compacted topics by outcome: complete, void (somebody was quicker), failed.',
    ['outcome'],
  )
  const failed = cleanings.with({ outcome: 'failed' })
  const records = metrics.counter('heraclitus_cleaned_records_total', 'Records that cleanings looked at, by fate.', [
    'fate',
  ])
  const [kept, removed] = [records.with({ fate: 'kept' }), records.with({ fate: 'removed' })]
  const bytes = metrics.counter(
    'heraclitus_cleaned_bytes_total',
    'Bytes of record batches that cleanings read (what was never cleaned twice) and wrote.',
    ['direction'],
  )
  const [read, written] = [bytes.with({ direction: 'read' }), bytes.with({ direction: 'written' })]
  const opaque = metrics.counter(
    'heraclitus_opaque_batches_total',
    'Record batches that cleanings left as they are, since their records can not be read.',
  )
  const seconds = metrics.histogram(
    'heraclitus_cleaning_duration_seconds',
    'Time to clean a partition, of which half is rest.',
    durationBuckets,
  )
  const dirty = metrics.gauge(
    'heraclitus_max_dirty_ratio',
    "Largest share of never cleaned bytes among this instance's share of compacted partitions, 0 to 1.",
  )
  const dirtiest = new PerLedger((ratios) => Math.max(...ratios))
  return (ledger) => ({
    cleaned(cleaning) {
      cleanings.with({ outcome: cleaning.outcome }).add()
      kept.add(cleaning.records - cleaning.removed)
      removed.add(cleaning.removed)
      opaque.add(cleaning.opaqueBatches)
      read.add(cleaning.bytesRead)
      written.add(cleaning.bytesWritten)
      seconds.observe(cleaning.seconds)
    },
    cleaningFailed: () => failed.add(),
    looked: (maxDirtyRatio) => dirty.set(dirtiest.set('', ledger, maxDirtyRatio)),
  })
}

function cleaningWorkerMetrics(metrics: Metrics): CleaningWorkerObserver {
  const threads = metrics.gauge(
    'heraclitus_cleaning_threads',
    'Threads that clean compacted topics: 1 while there is something to clean, and for a minute after.',
  )
  const failures = metrics.counter(
    'heraclitus_cleaning_thread_failures_total',
    'Threads that could not be started, so that the event loop cleans (start), or that ended in the midst of it (work).',
    ['when'],
  )
  return {
    started: () => threads.add(1),
    ended: () => threads.add(-1),
    failed: (when) => failures.with({ when }).add(),
  }
}

/** The last values that the ledgers of this process gave for something, and what they come to. */
class PerLedger {
  readonly #values = new Map<string, Map<number, number>>()
  readonly #total: (values: number[]) => number

  constructor(total: (values: number[]) => number) {
    this.#total = total
  }

  /** Takes the value of one ledger; gives that of all. */
  set(name: string, ledger: number, value: number): number {
    const values = this.#values.get(name) ?? new Map<number, number>()
    this.#values.set(name, values.set(ledger, value))
    return this.#total([...values.values()])
  }
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

function requestMetrics(metrics: Metrics): RequestObserver {
  const opened = metrics.counter('heraclitus_connections_total', 'Client connections opened.')
  const refused = metrics.counter(
    'heraclitus_connections_refused_total',
    'Client connections closed at once: too many.',
  )
  const closed = metrics.counter('heraclitus_connections_closed_total', 'Client connections closed, by reason.', [
    'reason',
  ])
  const active = metrics.gauge('heraclitus_active_connections', 'Client connections open now.')
  const requests = metrics.counter('heraclitus_requests_total', 'Requests answered, by API and first error.', [
    'api',
    'version',
    'error',
  ])
  const seconds = metrics.histogram(
    'heraclitus_request_duration_seconds',
    'Time from a complete request to its complete answer; long polls wait.',
    durationBuckets,
    ['api'],
  )
  const bytes = metrics.counter('heraclitus_request_bytes_total', 'Bytes of requests and answers.', ['direction'])
  const [received, sent] = [bytes.with({ direction: 'received' }), bytes.with({ direction: 'sent' })]
  return {
    connectionOpened() {
      opened.add()
      active.add(1)
    },
    connectionRefused: () => refused.add(),
    connectionClosed(reason) {
      closed.with({ reason }).add()
      active.add(-1)
    },
    requestDone({ api, version, errorCode, seconds: taken, requestBytes, responseBytes }) {
      requests.with({ api, version: String(version), error: errorName(errorCode) }).add()
      seconds.with({ api }).observe(taken)
      received.add(requestBytes)
      sent.add(responseBytes)
    },
  }
}

function sampleFrames(metrics: Metrics, frames: { idleBytes: number }): void {
  const help = 'Memory for requests that waits to be used again.'
  metrics.sampled('gauge', 'heraclitus_request_idle_bytes', help, () => frames.idleBytes)
}

function sampleCluster(metrics: Metrics, cluster: OpenCluster): void {
  const { proposers } = cluster
  const states = proposers.map(({ state }) => state)
  const gauge = (name: string, help: string, read: () => number) => metrics.sampled('gauge', name, help, read)
  gauge('heraclitus_ledgers', 'Ledgers of the cluster.', () => proposers.length)
  gauge(
    'heraclitus_announced_instances',
    'Instances that announce themselves, so that clients are told of them (steering).',
    () => cluster.proposer.state.instances.size,
  )
  gauge(
    'heraclitus_ledger_position',
    'Sequence number of the last ledger entry applied; of all ledgers, their sum.',
    () => sumOf(proposers.map((_, ledger) => cluster.ledgerSequence(ledger))),
  )
  gauge(
    'heraclitus_ledger_tail_age_seconds',
    'Time since this instance last knew that it had applied all there was; of the ledger of which it is longest ago.',
    () => Math.max(...proposers.map((proposer) => proposer.tailAgeMs())) / 1_000,
  )
  gauge('heraclitus_cache_bytes', 'Record bytes in memory.', () => cluster.cachedBytes())
  gauge('heraclitus_cache_idle_bytes', 'Memory for record bytes that waits to be used again.', () =>
    cluster.idleBytes(),
  )
  gauge('heraclitus_read_bytes', 'Record bytes that readers wait for, read from the store.', () => cluster.heldBytes())
  gauge('heraclitus_topics', 'Topics.', () => cluster.proposer.state.topics.size)
  gauge('heraclitus_partitions', 'Partitions of all topics.', () =>
    sumOf([...cluster.topics.all()].map((topic) => topic.partitionCount)),
  )
  const sumOfLogs = (of: (log: PartitionLog) => number) => {
    let sum = 0
    for (const { topics, partitions } of states)
      for (const topic of topics.all()) for (const log of partitions.ofTopic(topic.id)) sum += of(log)
    return sum
  }
  gauge('heraclitus_log_bytes', 'Bytes of record batches in all logs.', () => sumOfLogs((log) => log.ranges.bytes))
  gauge('heraclitus_log_ranges', 'Ranges of all logs; each takes 56 bytes of memory and of a snapshot.', () =>
    sumOfLogs((log) => log.ranges.length),
  )
  gauge('heraclitus_groups', 'Consumer groups.', () => sumOf(states.map(({ groups }) => groups.size)))
  gauge(
    'heraclitus_writers',
    'Process starts that the state remembers: of the last trim_grace_ms, and those that live.',
    () => Math.max(...states.map(({ writers }) => writers.size)),
  )
}
