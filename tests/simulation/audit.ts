import { systemClock } from '../../src/base/clock.js'
import { entryKey, numberOfKey, snapshotKey, snapshotsPrefix } from '../../src/state/ledger/keys.js'
import type { Proposer } from '../../src/state/ledger/proposer.js'
import { decodeSnapshot, encodeSnapshot } from '../../src/state/ledger/snapshot-bytes.js'
import { LogBytes } from '../../src/state/log/log-bytes.js'
import { readBatches } from '../../src/state/log/reader.js'
import type { OpenCluster } from '../../src/state/open-cluster.js'
import { ledgerOfPartition } from '../../src/state/routing.js'
import { type MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import type { PartitionLog } from '../../src/state/views/partition-log.js'
import type { Archive } from './archive.js'
import { CatalogueVersions } from './catalogue-versions.js'
import { checkCompactedLog, isCompacted } from './compacted.js'
import { recordsOf } from './consumers.js'
import { Deletions } from './deletions.js'
import type { History } from './history.js'
import { hashOf } from './instance.js'
import { ReferenceFold } from './reference-fold.js'

export interface AuditOptions {
  bucket: Archive
  history: History
  /** The instances that are up, each having confirmed the tail. */
  clusters: readonly OpenCluster[]
  /** Hashes of states that instances held on the way, by ledger and entry. */
  folds: readonly ReadonlyMap<number, string>[]
  /** Writers of each ledger whose wall clock went back at some time. */
  setBack: readonly ReadonlySet<number>[]
  /** Since when nothing was written but by upkeep, which had time enough; undefined if there is none. */
  quietSinceMs: number | undefined
}

/**
 * Looks at what the store holds in the end: folds the ledger anew, entry by entry, compares what the instances and the
 * snapshots made of it, and reads all logs. Returns how many entries there are, and how many
 * records log compaction took out.
 */
export async function audit(options: AuditOptions): Promise<{ entries: number; cleaned: number }> {
  const { bucket, history, clusters } = options
  const versions = new CatalogueVersions(bucket.tails.length)
  const truths: ReferenceFold[] = []
  for (const ledger of bucket.tails.keys()) {
    const truth = await foldAll(options, ledger, versions)
    for (const cluster of clusters)
      if (cluster.ledgerSequence(ledger) > truth.sequence)
        history.violation('divergent folds', `writer ${writerOf(cluster, ledger)} applied what is not there`)
    await checkNewestSnapshot(bucket, history, truth, ledger)
    truths.push(truth)
  }
  const [home] = truths as [ReferenceFold]
  for (const [ledger, { state }] of truths.entries()) {
    const problem = truths.length === 1 ? undefined : versions.problemOf(state, ledger)
    if (problem !== undefined) history.violation('catalogue', `ledger ${ledger} in the end: ${problem}`)
    // Barriers saw to it, and nobody was in their way.
    const { version } = home.state.topics
    if (state.topics.version !== version)
      history.violation('catalogue', `ledger ${ledger} is at ${state.topics.version} in the end, not ${version}`)
  }
  await checkLogs(options, truths)
  const sum = (of: (truth: ReferenceFold) => number) => truths.reduce((total, truth) => total + of(truth), 0)
  return { entries: sum(({ sequence }) => sequence), cleaned: sum(({ cleaning }) => cleaning?.removed ?? 0) }
}

function writerOf({ proposers }: OpenCluster, ledger: number): number {
  return proposers[ledger]?.writer ?? 0
}

/** A whole ledger from its beginning; what instances and snapshots hold is compared on the way. */
async function foldAll(
  { bucket, history, clusters, folds, setBack, quietSinceMs }: AuditOptions,
  ledger: number,
  versions: CatalogueVersions,
) {
  const deletions = new Deletions(bucket, history, ledger)
  const truth: ReferenceFold = new ReferenceFold({
    history,
    ledger,
    versions,
    store: {
      object: (key) => bucket.all.get(key),
      isDeleted: (key) => deletions.isDeleted(key),
      hasBeenSetBack: (writer) => setBack[ledger]?.has(writer) ?? false,
      storedAtMs: () => bucket.storedAtMs.get(entryKey(ledger, truth.sequence)) ?? 0,
    },
  })
  for (;;) {
    deletions.upTo(truth)
    const entry = bucket.all.get(entryKey(ledger, truth.sequence + 1))
    if (entry === undefined) break
    truth.apply(entry)
    const { sequence } = truth
    const folded = folds[ledger]?.get(sequence)
    const others = clusters.filter((cluster) => cluster.ledgerSequence(ledger) === sequence)
    if (folded !== undefined || others.length > 0) {
      const expected = hashOf(truth.state)
      if (folded !== undefined && folded !== expected)
        history.violation('divergent folds', `instances held another state at entry ${sequence}`)
      for (const { proposers } of others) {
        const { writer, state } = proposers[ledger] as Proposer
        if (hashOf(state) !== expected)
          history.violation('divergent folds', `writer ${writer} holds another state at entry ${sequence}`)
      }
    }
    const snapshot = bucket.all.get(snapshotKey(ledger, sequence))
    if (snapshot !== undefined) {
      // The world's own clock stands still by now.
      const { pieces } = await encodeSnapshot(truth.state, sequence, systemClock)
      if (!snapshot.equals(Buffer.concat(pieces)))
        history.violation('snapshot', `the one at ${sequence} holds another state`)
    }
  }
  if (quietSinceMs !== undefined)
    deletions.checkGarbage(truth.state, quietSinceMs, new Set(clusters.map((cluster) => writerOf(cluster, ledger))))
  return truth
}

/** The newest snapshot and the entries after it give what the whole ledger gives. */
async function checkNewestSnapshot(
  bucket: MemoryBucket,
  history: History,
  truth: ReferenceFold,
  ledger: number,
): Promise<void> {
  let newest: string | undefined
  for await (const { key } of memoryStore(bucket).list(snapshotsPrefix(ledger))) newest = key
  const bytes = newest === undefined ? undefined : bucket.objects.get(newest)
  if (newest === undefined || bytes === undefined) return
  const { state, sequence } = decodeSnapshot(bytes, newest)
  if (sequence !== numberOfKey(newest)) history.violation('snapshot', `${newest} says that it is of ${sequence}`)
  const replayed = new ReferenceFold(undefined, state, sequence)
  while (replayed.sequence < truth.sequence) {
    const entry = bucket.objects.get(entryKey(ledger, replayed.sequence + 1))
    if (entry === undefined) break
    replayed.apply(entry)
  }
  if (hashOf(replayed.state) !== hashOf(truth.state))
    history.violation('snapshot', `${newest} and the entries after it give another state than all entries`)
}

/** All records of a log. */
async function* readAll(bytes: LogBytes, log: PartitionLog): AsyncGenerator<{ offset: number; value: string }> {
  for (let next = log.logStartOffset; next < log.endOffset; ) {
    const { batches } = await readBatches(bytes, log, next, { bytesMax: 2 ** 24 })
    const before = next
    for (const record of recordsOf(Buffer.concat(batches))) {
      if (record.offset < next) continue
      yield record
      next = record.offset + 1
    }
    if (next === before) return
  }
}

/** Reads every log from its beginning, and looks for what was acknowledged. */
async function checkLogs({ bucket, history }: AuditOptions, truths: readonly ReferenceFold[]): Promise<void> {
  const found = new Set<string>()
  for (const [ledger, truth] of truths.entries()) await readLogs({ bucket, history }, truth, ledger, found)
  const [{ state: home }] = truths as [ReferenceFold]
  for (const sent of history.sent.values()) {
    if (sent.offset === undefined || found.has(sent.value)) continue
    // Whether the log may start where it does, the rules have judged.
    const truth = truths[ledgerOfPartition(sent.topicId, sent.partition, truths.length)]
    const log = truth?.state.partitions.get(sent.topicId, sent.partition)
    const isGone = log === undefined && history.topic(sent.topicId)?.deletionAskedAtMs !== Number.POSITIVE_INFINITY
    if (!isGone && sent.offset >= (log?.logStartOffset ?? 0))
      history.violation('lost record', `${sent.value} was acknowledged at ${sent.offset}`)
  }
  for (const topic of history.livingTopics())
    if (home.topics.byId(topic.id) === undefined) history.violation('topics', `${topic.name} was created and is gone`)
}

/** Reads the logs that are in one ledger. */
async function readLogs(
  { bucket, history }: Pick<AuditOptions, 'bucket' | 'history'>,
  { state, cleaning }: ReferenceFold,
  ledger: number,
  found: Set<string>,
): Promise<void> {
  const store = memoryStore(bucket)
  const bytes = new LogBytes({
    tail: store,
    backfill: store,
    ledger,
    cacheBytes: 2 ** 20,
    clock: systemClock,
    observer: { lookedUp() {} },
  })
  for (const topic of state.topics.all())
    for (const log of state.partitions.ofTopic(topic.id)) {
      const where = `${topic.name}-${log.partition}`
      if (isCompacted(state, topic.id)) {
        await checkCompactedLog(history, bytes, log, cleaning?.recordsOf(topic.id, log.partition))
        continue
      }
      const lastOrders = new Map<string, number>()
      let next = -1
      for await (const { offset, value } of readAll(bytes, log)) {
        if (next < 0 && offset > log.logStartOffset)
          history.violation('gap', `${where} starts at ${log.logStartOffset}, its first record at ${offset}`)
        if (next >= 0 && offset !== next) history.violation('gap', `${where}: ${offset} follows ${next - 1}`)
        next = offset + 1
        history.observe(topic.id, log.partition, offset, value, 'the audit')
        if (found.has(value)) history.violation('duplicate', `${value} is there twice`)
        found.add(value)
        const sent = history.sent.get(value)
        if (sent === undefined || sent.topicId !== topic.id || sent.partition !== log.partition) {
          history.violation('unknown record', `${value} in ${where} was never sent there`)
          continue
        }
        // What a plain producer gave up may still land later, as in Kafka: its place promises nothing.
        if (!sent.isIdempotent && sent.offset === undefined) continue
        const last = lastOrders.get(sent.producer)
        if (last !== undefined && last >= sent.order) history.violation('reorder', `${value} comes after ${last}`)
        if (sent.isIdempotent && sent.order !== (last ?? sent.order - 1) + 1)
          history.violation('lost record', `${value} in ${where} follows number ${last} of its producer`)
        if (sent.isIdempotent && last === undefined && sent.order > 0 && log.logStartOffset === 0)
          history.violation('lost record', `${value} is the first of its producer in ${where}`)
        lastOrders.set(sent.producer, sent.order)
      }
      if (next >= 0 && next !== log.endOffset)
        history.violation('gap', `${where} ends at ${next}, not ${log.endOffset}`)
      if (next < 0 && log.endOffset > log.logStartOffset)
        history.violation('gap', `${where} has no records from ${log.logStartOffset} to ${log.endOffset}`)
    }
}
