import { setMaxListeners } from 'node:events'
import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Cluster, Lease } from '../state/cluster.js'
import { createBudget } from './budget.js'
import type { ComponentContext } from './component.js'
import { createDeadLetters } from './dead-letter.js'
import { createLane, type Lane } from './lane.js'
import type { PipelineObserver } from './observer.js'
import { runPartition } from './partition.js'
import { createProgress, type Progress } from './progress.js'
import { groupOf, type PipelineSpec } from './spec.js'

export interface RunOptions {
  spec: PipelineSpec
  lease: Lease
  cluster: Cluster
  clock: Clock
  random: Random
  log: Log
  observer: PipelineObserver
  stdout: NodeJS.WritableStream
  /** The topic's identity when the pipeline last ran here: what was committed for another one does not count. */
  identity: string | undefined
  /** Aborted when the pipeline is to stop: what was read is delivered, for so long as `drain_timeout` allows. */
  stopping: AbortSignal
  /** A batch got through: the pipeline works. */
  moved(): void
}

/** Somebody else has the lease: nothing more is written, what was not committed is theirs to do. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError'
}

export interface RunResult {
  /** The topic that was read. It is another one now if `stopping` is not aborted. */
  identity: string | undefined
}

/** Offsets are committed that often at most, milliseconds: each commit is an entry of the ledger. */
const commitIntervalMs = 250
const commitRetryMs = 2000
const topicPollMs = 1000
const readBytesMax = 1024 * 1024
const partitionsReadingMax = 8
const deadLetterRetry = { attempts: 8, intervalMs: 200, maxIntervalMs: 10_000 }

/**
 * Runs a pipeline under its lease, from the committed offsets on. Resolves when it was stopped and has drained, or when
 * the topic was replaced by another one of its name.
 * @throws LeaseLostError, PipelineFailure, and what a component throws that it should not.
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const { spec, lease, cluster, clock, random, log, observer, stopping } = options
  const group = groupOf(spec.name)
  const halt = new AbortController()
  const readingStops = new AbortController()
  // Every partition and every request under way listens; that is no leak.
  setMaxListeners(0, halt.signal, readingStops.signal)
  const context: ComponentContext = {
    pipeline: spec.name,
    topic: spec.from,
    cluster,
    clock,
    random,
    log,
    stdout: options.stdout,
  }
  const source = spec.source.open(spec.from, context)
  const steps = await Promise.all(
    spec.steps.map(async ({ name, component, options }) => ({ name, step: await component.open(options, spec) })),
  )
  const sinks = spec.sinks.map(({ component, options, ...settings }) => ({
    ...settings,
    sink: component.open(options, context),
  }))

  let failure: { error: unknown } | undefined
  const fail = (error: unknown) => {
    failure ??= { error }
    readingStops.abort(error)
    halt.abort(error)
  }
  const leaseLost = () => fail(new LeaseLostError(`the lease of pipeline ${spec.name} is lost`))
  const stopReading = () => readingStops.abort(new Error('the pipeline is stopping'))
  lease.signal.addEventListener('abort', leaseLost)
  stopping.addEventListener('abort', stopReading)
  if (lease.signal.aborted) leaseLost()
  if (stopping.aborted) stopReading()

  const deadLetters = createDeadLetters({
    pipeline: spec.name,
    source: spec.from,
    topic: spec.dlq?.topic,
    retry: deadLetterRetry,
    cluster,
    clock,
    random,
    log,
    observer,
  })
  const lanes: Lane[] = []
  const flushAll = () => {
    for (const lane of lanes) lane.flush()
  }
  const budget = createBudget(spec.maxInflight, spec.maxInflightBytes, flushAll)
  const readBytes = Math.min(readBytesMax, spec.maxInflightBytes)
  const reading = createBudget(partitionsReadingMax, Number.POSITIVE_INFINITY, () => {})

  const positions = new Map<number, Progress>()
  const committed = new Map<number, number>()
  const begun = new Map<number, number>()
  let identity: string | undefined
  let committing: Promise<void> | undefined
  let dirty = false

  const commit = async (): Promise<void> => {
    // Offsets of a topic that is gone mean nothing in the one that has its name now.
    if (source.identity() !== identity) return
    const offsets = new Map<number, number>()
    for (const [partition, { position }] of positions)
      if (committed.get(partition) !== position) offsets.set(partition, position)
    if (offsets.size === 0) return
    if (!(await cluster.pipelineOffsets.commit(group, spec.from, offsets, lease))) {
      leaseLost()
      return
    }
    for (const [partition, offset] of offsets) committed.set(partition, offset)
    if ([...offsets].some(([partition, offset]) => offset > (begun.get(partition) ?? 0))) options.moved()
  }

  const commitSoon = () => {
    dirty = true
    committing ??= commitWhileDirty().catch(fail)
  }

  const commitWhileDirty = async () => {
    try {
      while (dirty && !halt.signal.aborted) {
        await clock.sleep(commitIntervalMs, readingStops.signal)
        dirty = false
        try {
          await commit()
        } catch (error) {
          dirty = true
          log.warn({ pipeline: spec.name, err: error }, `committing offsets failed: ${messageOf(error)}`)
          // A last try is made when all is delivered.
          if (readingStops.signal.aborted) return
          await clock.sleep(commitRetryMs, readingStops.signal)
        }
      }
    } finally {
      committing = undefined
    }
  }

  const startPartition = (partition: number, position: number): Promise<void> => {
    const progress = createProgress(position, commitSoon)
    positions.set(partition, progress)
    begun.set(partition, position)
    const own = sinks.map(({ name, sink, batch, retry }) =>
      createLane({
        pipeline: spec.name,
        source: spec.from,
        partition,
        name,
        sink,
        batch,
        retry,
        deadLetters,
        clock,
        random,
        log,
        observer,
        signal: halt.signal,
        failed: fail,
      }),
    )
    lanes.push(...own)
    return runPartition({
      pipeline: spec.name,
      topic: spec.from,
      partition,
      format: spec.format,
      source,
      steps,
      lanes: own,
      progress,
      deadLetters,
      budget,
      reading,
      readBytes,
      clock,
      random,
      log,
      observer,
      stopping: readingStops.signal,
    }).catch((error) => {
      if (!readingStops.signal.aborted) fail(error)
    })
  }

  /** Where to begin each partition; see `docs/pipelines.md` on `start`. */
  const firstPositions = async (partitions: readonly number[], isFirst: boolean): Promise<Map<number, number>> => {
    const isReplaced = options.identity !== undefined && options.identity !== source.identity()
    const known = new Map<number, number>()
    if (!isReplaced) {
      for (const partition of partitions) {
        const offset = (await cluster.pipelineOffsets.committed(group, spec.from, partition))?.offset
        if (offset !== undefined) known.set(partition, offset)
      }
    }
    const startsNew = isFirst && known.size === 0 && !isReplaced
    const first = new Map<number, number>()
    for (const partition of partitions) {
      const { start, end } = source.bounds(partition) ?? { start: 0, end: 0 }
      const offset = known.get(partition)
      if (offset !== undefined && offset > end)
        log.warn({ pipeline: spec.name, partition, offset, end }, 'the committed offset is beyond the log: begins anew')
      if (offset !== undefined && offset <= end) {
        first.set(partition, offset)
        committed.set(partition, offset)
      } else first.set(partition, startsNew && spec.start === 'latest' ? end : start)
    }
    return first
  }

  const partitionTasks: Promise<void>[] = []
  const followTopic = async () => {
    await cluster.barrier()
    let announced = false
    while (!readingStops.signal.aborted) {
      const now = source.identity()
      if (identity !== undefined && now !== identity) {
        log.warn({ pipeline: spec.name, topic: spec.from }, 'the topic was deleted')
        readingStops.abort(new Error('the topic was deleted'))
        return
      }
      const missing = source.partitions().filter((partition) => !positions.has(partition))
      if (missing.length > 0) {
        const isFirst = identity === undefined
        identity = now
        const first = await firstPositions(missing, isFirst && !announced)
        for (const [partition, position] of first) partitionTasks.push(startPartition(partition, position))
        log.info({ pipeline: spec.name, topic: spec.from, positions: Object.fromEntries(first) }, 'reading')
        // So that a restart does not take the end of then for where `latest` began.
        commitSoon()
      } else if (identity === undefined && !announced) {
        announced = true
        log.info({ pipeline: spec.name, topic: spec.from }, 'waiting for the topic to be created')
      }
      await clock.sleep(topicPollMs, readingStops.signal)
    }
  }

  const drain = async () => {
    const { drainTimeoutMs } = spec
    const timer =
      drainTimeoutMs === 0
        ? undefined
        : clock.after(drainTimeoutMs, () => {
            log.warn(
              { pipeline: spec.name, ms: drainTimeoutMs },
              'draining took too long; the rest is left uncommitted',
            )
            halt.abort(new Error('draining took too long'))
          })
    flushAll()
    await Promise.all(lanes.map((lane) => lane.idle()))
    timer?.cancel()
  }

  try {
    await followTopic().catch(fail)
    await Promise.all(partitionTasks)
    if (failure === undefined) await drain()
    await Promise.all(lanes.map((lane) => lane.idle()))
    await committing
    if (!lease.signal.aborted) await commit().catch(fail)
  } finally {
    lease.signal.removeEventListener('abort', leaseLost)
    stopping.removeEventListener('abort', stopReading)
    halt.abort(new Error('the pipeline has stopped'))
    for (const lane of lanes) lane.close()
    for (const { name, sink } of sinks)
      await sink.close().catch((error) => log.warn({ pipeline: spec.name, sink: name, err: error }, 'closing failed'))
  }
  if (failure !== undefined) throw failure.error
  return { identity }
}
