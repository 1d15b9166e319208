import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import { type BatchLimits, createBatcher } from './batcher.js'
import { type RecordFailure, type Sink, SinkError, type SourceRecord, type WriteResult } from './component.js'
import type { DeadLetters } from './dead-letter.js'
import type { PipelineObserver } from './observer.js'
import type { Delivery } from './progress.js'
import type { PipelineRecord } from './record.js'
import { backoffMs, type RetryPolicy } from './retry.js'

export interface LaneOptions {
  pipeline: string
  source: string
  partition: number
  /** The sink's name in metrics, logs and dead letters. */
  name: string
  sink: Sink
  batch: BatchLimits
  retry: RetryPolicy
  deadLetters: DeadLetters
  clock: Clock
  random: Random
  log: Log
  observer: PipelineObserver
  /** Aborted when nothing more may be written (lease lost, pipeline failed). */
  signal: AbortSignal
  /** The lane can't go on. */
  failed(error: unknown): void
}

/**
 * The way of one partition's records into one sink: batch after batch, in order. A batch that must be tried again
 * holds up all that follow, so that no record overtakes another of its key.
 */
export interface Lane {
  /** @param origin the stored record that `record` was made of */
  add(record: PipelineRecord, origin: SourceRecord, delivery: Delivery): void
  /** What waits for its batch to fill is written without further waiting. */
  flush(): void
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>
  close(): void
}

interface Item {
  record: PipelineRecord
  origin: SourceRecord
  delivery: Delivery
  bytes: number
}

export function createLane(options: LaneOptions): Lane {
  const { pipeline, source, partition, name, sink, retry, deadLetters, clock, random, log, observer, signal } = options
  let isWriting = false
  let written: Promise<void> = Promise.resolve()
  const batcher = createBatcher<Item>(options.batch, clock, () => {
    if (isWriting) return
    isWriting = true
    written = drain().catch(options.failed)
  })

  const drain = async () => {
    try {
      for (let batch = batcher.take(); batch !== undefined; batch = batcher.take()) {
        signal.throwIfAborted()
        await deliver(batch)
      }
    } finally {
      isWriting = false
    }
  }

  const deliver = async (batch: Item[]) => {
    let waiting = batch
    for (let attempt = 1; waiting.length > 0; attempt++) {
      const { failures } = await write(waiting)
      const failed = new Map(failures.map(({ index, error }) => [index, error]))
      if (failed.size < waiting.length) observer.written(pipeline, name, waiting.length - failed.size)
      const again: Item[] = []
      const dead: { item: Item; error: SinkError }[] = []
      let retryAfterMs = 0
      waiting.forEach((item, index) => {
        const error = failed.get(index)
        if (error === undefined) item.delivery.done()
        else if (error.retry && attempt < retry.attempts) {
          again.push(item)
          retryAfterMs = Math.max(retryAfterMs, error.retryAfterMs ?? 0)
        } else dead.push({ item, error })
      })
      if (failed.size > 0) {
        observer.writeFailed(pipeline, name)
        observer.failed(pipeline, source, 'sink')
      }
      if (dead.length > 0) {
        await deadLetters.write(
          dead.map(({ item, error }) => ({
            record: item.origin,
            partition,
            stage: 'sink',
            component: name,
            error: error.message,
            attempts: attempt,
          })),
          signal,
        )
        for (const { item } of dead) item.delivery.done()
      }
      waiting = again
      if (waiting.length === 0) return
      const waitMs = backoffMs(retry, attempt, random, retryAfterMs)
      log.warn(
        { pipeline, sink: name, partition, records: waiting.length, attempt, waitMs: Math.round(waitMs) },
        `write failed, will be tried again: ${failures[0]?.error.message}`,
      )
      await clock.sleep(waitMs, signal)
      signal.throwIfAborted()
    }
  }

  const write = async (items: Item[]): Promise<WriteResult> => {
    try {
      return await sink.write(
        items.map(({ record }) => record),
        signal,
      )
    } catch (cause) {
      signal.throwIfAborted()
      const error = cause instanceof SinkError ? cause : new SinkError(messageOf(cause), { retry: true, cause })
      return { failures: items.map((_, index): RecordFailure => ({ index, error })) }
    }
  }

  return {
    add(record, origin, delivery) {
      delivery.expect()
      batcher.add({ record, origin, delivery, bytes: record.bytes })
    },
    flush: () => batcher.flush(),
    async idle() {
      while (isWriting) await written
    },
    close: () => batcher.close(),
  }
}
