import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Cluster } from '../state/cluster.js'
import { type RecordHeader, SinkError, type SourceRecord } from './component.js'
import type { PipelineObserver, Stage } from './observer.js'
import { backoffMs, type RetryPolicy } from './retry.js'
import { createTopicWriter } from './topic-writer.js'

/** A record that can't be delivered, and why. */
export interface DeadLetter {
  /** The record as it was read, not what the steps made of it: so it can be put in again. */
  record: SourceRecord
  partition: number
  stage: Stage
  /** The sink or step that refused it. */
  component: string
  error: string
  attempts: number
}

/** The pipeline can't go on: a record can't be delivered and there is nowhere to put it. */
export class PipelineFailure extends Error {
  override readonly name = 'PipelineFailure'
}

export interface DeadLetterOptions {
  pipeline: string
  source: string
  /** The dead-letter topic; without one every dead letter is a failure of the pipeline. */
  topic: string | undefined
  retry: RetryPolicy
  cluster: Cluster
  clock: Clock
  random: Random
  log: Log
  observer: PipelineObserver
}

export interface DeadLetters {
  /**
   * Resolves when the letters are durable in the dead-letter topic, in the partitions their records came from.
   * @throws PipelineFailure when there is no such topic, or it can't be written to.
   */
  write(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void>
}

export function createDeadLetters(options: DeadLetterOptions): DeadLetters {
  const { pipeline, source, topic, retry, cluster, clock, random, log, observer } = options
  const writer =
    topic === undefined
      ? undefined
      : createTopicWriter(cluster, topic, () => cluster.topics.byName(source)?.partitionCount ?? 1)

  return {
    async write(letters, signal) {
      const first = letters[0]
      if (first === undefined) return
      const place = `${source}/${first.partition}/${first.record.offset}`
      const problem = `${first.component} can't take ${place} (${first.error}, attempts: ${first.attempts})`
      if (writer === undefined) throw new PipelineFailure(`${problem}; there is no dead-letter topic ([pipeline.dlq])`)
      log.warn({ pipeline, records: letters.length, dlq: topic }, `to the dead-letter topic: ${problem}`)
      let waiting = letters
      for (let attempt = 1; ; attempt++) {
        let reason: string
        try {
          const now = clock.now()
          const failures = await writer.append(
            waiting.map((letter) => ({
              timestampMs: now,
              key: letter.record.key,
              value: letter.record.value,
              headers: [...letter.record.headers, ...describe(letter, pipeline, source)],
            })),
            (index, partitionCount) => (waiting[index]?.partition ?? 0) % partitionCount,
          )
          observer.deadLettered(pipeline, source, waiting.length - failures.length)
          if (failures.length === 0) return
          const refused = failures.find(({ error }) => !error.retry)
          if (refused !== undefined) throw new PipelineFailure(`the dead-letter topic: ${refused.error.message}`)
          reason = messageOf(failures[0]?.error)
          waiting = failures.flatMap(({ index }) => waiting[index] ?? [])
        } catch (error) {
          if (!(error instanceof SinkError) || !error.retry) throw error
          reason = error.message
        }
        if (attempt >= retry.attempts) throw new PipelineFailure(`the dead-letter topic: ${reason}`)
        await clock.sleep(backoffMs(retry, attempt, random), signal)
        signal.throwIfAborted()
      }
    },
  }
}

/** Where the record came from and what went wrong, in headers, as Kafka Connect does (KIP-298). */
function describe(letter: DeadLetter, pipeline: string, source: string): RecordHeader[] {
  const fields = {
    pipeline,
    topic: source,
    partition: letter.partition,
    offset: letter.record.offset,
    timestamp: letter.record.timestampMs,
    stage: letter.stage,
    component: letter.component,
    message: letter.error,
    attempts: letter.attempts,
  }
  return Object.entries(fields).map(([name, value]) => ({
    key: `hermod.error.${name}`,
    value: Buffer.from(String(value)),
  }))
}
