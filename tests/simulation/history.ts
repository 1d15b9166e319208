import type { TopicId } from '../../src/state/cluster.js'

/** A topic as clients know it, and what was asked of it. Times are of the virtual clock. */
export interface KnownTopic {
  id: TopicId
  name: string
  partitionCount: number
  /** From here on nobody may say that it is unknown… */
  createdAtMs: number
  /** …until somebody has asked to delete it. */
  deletionAskedAtMs: number
  /** From here on nobody may say that it is there. */
  deletedAtMs: number
  /** The highest offset below which somebody asked to delete records, by partition. */
  deletedBelow: Map<number, number>
  /** Records may go by themselves. */
  hasRetention: boolean
}

/** A record that was sent. */
export interface SentRecord {
  value: string
  topicId: TopicId
  partition: number
  /** Whose: one producer as one session of it. */
  producer: string
  isIdempotent: boolean
  /** Its number among the records that this producer sent to this partition. */
  order: number
  timestampMs: number
  /** Where it was acknowledged to be. */
  offset: number | undefined
}

/**
 * What all clients saw, and what was wrong with it, as Jepsen's Kafka workload would say. A violation begins with the
 * name of the checker that found it.
 */
export class History {
  readonly violations: string[] = []
  readonly topics: KnownTopic[] = []
  /** How many attempts to create a topic of that name were not answered: one may be there that nobody was told of. */
  readonly #unanswered = new Map<string, number>()
  readonly sent = new Map<string, SentRecord>()
  acknowledged = 0
  readonly #now: () => number
  readonly #values = new Map<string, string>()
  readonly #acknowledgedEnds = new Map<string, number>()
  readonly #logStarts = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  violation(checker: string, text: string): void {
    if (this.violations.length < 100) this.violations.push(`${checker}: ${text} (at ${Math.round(this.#now())} ms)`)
  }

  topic(id: TopicId): KnownTopic | undefined {
    return this.topics.find((topic) => topic.id === id)
  }

  /** Topics that are there for certain. */
  livingTopics(): KnownTopic[] {
    return this.topics.filter((topic) => topic.deletionAskedAtMs === Number.POSITIVE_INFINITY)
  }

  /** Whether there is no topic of that name for certain. */
  isGone(name: string): boolean {
    const areGone = this.topics.every((topic) => topic.name !== name || topic.deletedAtMs < Number.POSITIVE_INFINITY)
    return areGone && (this.#unanswered.get(name) ?? 0) === 0
  }

  asksToCreate(name: string): void {
    this.#unanswered.set(name, (this.#unanswered.get(name) ?? 0) + 1)
  }

  wasAnswered(name: string): void {
    this.#unanswered.set(name, (this.#unanswered.get(name) ?? 0) - 1)
  }

  /** A record was read, or acknowledged, at that place: everybody must see the same there, always. */
  observe(topicId: TopicId, partition: number, offset: number, value: string, who: string): void {
    const place = `${topicId}-${partition}@${offset}`
    const known = this.#values.get(place)
    if (known === undefined) this.#values.set(place, value)
    else if (known !== value)
      this.violation('divergent offset', `${who} finds ${value} at ${place}, which held ${known}`)
  }

  acknowledge(record: SentRecord, offset: number, who: string): void {
    if (record.offset !== undefined && record.offset !== offset)
      this.violation('divergent offset', `${record.value} was acknowledged at ${record.offset}, then at ${offset}`)
    if (record.offset === undefined) this.acknowledged++
    record.offset = offset
    this.observe(record.topicId, record.partition, offset, record.value, who)
    const log = `${record.topicId}-${record.partition}`
    this.#acknowledgedEnds.set(log, Math.max(this.acknowledgedEnd(record.topicId, record.partition), offset + 1))
  }

  /** One past the last offset that anybody was acknowledged or shown. */
  acknowledgedEnd(topicId: TopicId, partition: number): number {
    return this.#acknowledgedEnds.get(`${topicId}-${partition}`) ?? 0
  }

  /** A reader was shown a log start behind a barrier: it never goes back. */
  noteLogStart(topicId: TopicId, partition: number, offset: number): void {
    const log = `${topicId}-${partition}`
    this.#logStarts.set(log, Math.max(this.logStart(topicId, partition), offset))
  }

  logStart(topicId: TopicId, partition: number): number {
    return this.#logStarts.get(`${topicId}-${partition}`) ?? 0
  }

  /** Records of the topic were taken, having been sent at `askedAtMs`. */
  toldThere(topicId: TopicId, askedAtMs: number, who: string): void {
    const topic = this.topic(topicId)
    if (topic !== undefined && topic.deletedAtMs <= askedAtMs)
      this.violation('deleted topic', `${who} wrote to ${topic.name} (${topicId}), which had been deleted`)
  }

  /** Somebody was told that the topic, or its partition, is unknown, having asked at `askedAtMs`. */
  toldUnknown(topicId: TopicId, askedAtMs: number, who: string): void {
    const topic = this.topic(topicId)
    if (topic !== undefined && topic.createdAtMs <= askedAtMs && topic.deletionAskedAtMs === Number.POSITIVE_INFINITY)
      this.violation('refusal from ignorance', `${who} was told that topic ${topic.name} (${topicId}) is unknown`)
  }
}
