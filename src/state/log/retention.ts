import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Topic } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'
import { topicConfig } from '../topic-configs.js'
import type { PartitionLog } from '../views/partition-log.js'

/** Time between two looks, as Kafka's `log.retention.check.interval.ms`; a new process looks sooner. */
const checkIntervalMs = 5 * 60_000
const firstCheckMs = 30_000
/** Partitions whose start is moved with one entry of the ledger, rather than an entry each. */
const proposedAtOnce = 500
/** A producer that appended nothing for so long is forgotten, as Kafka's `producer.id.expiration.ms`. */
const producerExpirationMs = 24 * 60 * 60_000

/**
 * Moves log starts forward as the topics' retention says, and forgets idle producers. Every instance does so, each at
 * its own time; what one has done the others find done.
 */
export class Retention {
  readonly #proposer: Proposer
  readonly #clock: Clock
  readonly #log: Log
  readonly #stop = new AbortController()
  readonly #loop: Promise<void>

  constructor(options: { proposer: Proposer; clock: Clock; random: Random; log: Log }) {
    this.#proposer = options.proposer
    this.#clock = options.clock
    this.#log = options.log
    this.#loop = this.#run(options.random)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(random: Random): Promise<void> {
    await this.#clock.sleep(firstCheckMs * (0.5 + random.next()), this.#stop.signal)
    while (!this.#stop.signal.aborted) {
      try {
        await this.check()
      } catch (error) {
        this.#log.warn({ error: messageOf(error) }, 'retention could not be applied; it is tried again')
      }
      await this.#clock.sleep(checkIntervalMs * (0.75 + random.next() / 2), this.#stop.signal)
    }
  }

  /** Looks at all partitions once. */
  async check(): Promise<void> {
    const { state } = this.#proposer
    const now = this.#clock.now()
    let proposed: Promise<unknown>[] = []
    for (const topic of [...state.topics.all()])
      for (const log of state.partitions.ofTopic(topic.id)) {
        const offset = retainedFrom(topic, log, now)
        if (offset <= log.logStartOffset) continue
        proposed.push(this.#proposer.propose('deleteRecords', { topicId: topic.id, partition: log.partition, offset }))
        if (proposed.length < proposedAtOnce) continue
        await Promise.all(proposed)
        proposed = []
      }
    await Promise.all(proposed)
    const beforeMs = now - producerExpirationMs
    const isDue = [...state.topics.all()].some((topic) =>
      state.partitions.ofTopic(topic.id).some((log) => log.producers.hasIdle(beforeMs)),
    )
    if (isDue) await this.#proposer.propose('forgetProducers', { beforeMs })
  }
}

/** The offset from which on a partition's records are kept. Whole ranges go, oldest first, until one is to be kept. */
export function retainedFrom(topic: Topic, log: PartitionLog, nowMs: number): number {
  const { cleanupPolicy, retentionMs, retentionBytes } = topicConfig(topic.configs)
  if (!cleanupPolicy.includes('delete')) return log.logStartOffset
  const { ranges } = log
  let offset = log.logStartOffset
  let bytes = ranges.bytes
  for (let index = 0; index < ranges.length; index++) {
    const isOld = retentionMs >= 0 && ranges.maxTimestampAt(index) < nowMs - retentionMs
    bytes -= ranges.lengthAt(index)
    // As in Kafka, at least `retention.bytes` stay.
    const isBeyond = retentionBytes >= 0 && bytes >= retentionBytes
    if (!isOld && !isBeyond) break
    offset = ranges.endOffsetAt(index)
  }
  return offset
}
