import { ErrorCode } from '../../protocol/error-codes.js'
import type { Topic, TopicId, TopicOutcome } from '../cluster.js'
import { type Slices, slicesOf } from './capture.js'
import type { ApplyTable } from './view.js'

/** Which topics there are. Their records are in `partition-log.ts`. */
export class Topics {
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<TopicId, Topic>()

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  byId(id: TopicId): Topic | undefined {
    return this.#byId.get(id)
  }

  all(): Iterable<Topic> {
    return this.#byName.values()
  }

  get size(): number {
    return this.#byName.size
  }

  put(topic: Topic): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  remove(topic: Topic): void {
    this.#byName.delete(topic.name)
    this.#byId.delete(topic.id)
  }

  /** Begins to take all topics as they are now. */
  capture(): Slices {
    return slicesOf([...this.#byName.values()], topicToSnapshot)
  }

  /** Takes back a topic that a capture gave; in the same order. */
  restore(plain: unknown): void {
    const [name, id, partitionCount, createdAtMs, configs] = plain as PackedTopic
    this.put({ name, id, partitionCount, createdAtMs, configs: new Map(configs) })
  }

  toSnapshot(): unknown {
    return [...this.#byName.values()].map(topicToSnapshot)
  }

  static fromSnapshot(snapshot: unknown): Topics {
    const topics = new Topics()
    for (const topic of snapshot as unknown[]) topics.restore(topic)
    return topics
  }
}

type PackedTopic = [
  name: string,
  id: TopicId,
  partitionCount: number,
  createdAtMs: number,
  configs: [name: string, value: string][],
]

const topicToSnapshot = ({ name, id, partitionCount, createdAtMs, configs }: Topic): PackedTopic => [
  name,
  id,
  partitionCount,
  createdAtMs,
  [...configs],
]

/** The id is the proposer's: a topic that is deleted and made again is another topic (KIP-516). */
export interface CreateTopicCommand {
  name: string
  id: TopicId
  partitionCount: number
  configs: [name: string, value: string][]
}

export interface TopicCommands {
  createTopic: { command: CreateTopicCommand; outcome: TopicOutcome }
  deleteTopic: { command: { id: TopicId }; outcome: TopicOutcome }
  createPartitions: { command: { id: TopicId; partitionCount: number }; outcome: TopicOutcome }
}

export const topicApply: ApplyTable<TopicCommands> = {
  createTopic(state, command, place, events) {
    const existing = state.topics.byName(command.name)
    if (existing !== undefined)
      return {
        errorCode: ErrorCode.TOPIC_ALREADY_EXISTS,
        errorMessage: `Topic '${command.name}' already exists.`,
        topic: existing,
      }
    const topic: Topic = {
      name: command.name,
      id: command.id,
      partitionCount: command.partitionCount,
      configs: new Map(command.configs),
      createdAtMs: place.timeMs,
    }
    state.topics.put(topic)
    state.partitions.extend(topic.id, topic.partitionCount)
    events.topicChanged(topic.name)
    return { errorCode: ErrorCode.NONE, topic }
  },

  deleteTopic(state, command, _place, events) {
    const topic = state.topics.byId(command.id)
    if (topic === undefined) return unknownTopic
    state.topics.remove(topic)
    state.partitions.removeTopic(topic.id)
    state.offsets.removeTopic(topic.name)
    events.topicChanged(topic.name)
    for (let partition = 0; partition < topic.partitionCount; partition++) events.partitionChanged(topic.id, partition)
    return { errorCode: ErrorCode.NONE, topic }
  },

  createPartitions(state, command, _place, events) {
    const topic = state.topics.byId(command.id)
    if (topic === undefined) return unknownTopic
    if (command.partitionCount <= topic.partitionCount)
      return {
        errorCode: ErrorCode.INVALID_PARTITIONS,
        errorMessage: `Topic currently has ${topic.partitionCount} partitions, which is not less than the requested ${command.partitionCount}.`,
        topic,
      }
    const grown: Topic = { ...topic, partitionCount: command.partitionCount }
    state.topics.put(grown)
    state.partitions.extend(topic.id, command.partitionCount)
    events.topicChanged(topic.name)
    return { errorCode: ErrorCode.NONE, topic: grown }
  },
}

const unknownTopic: TopicOutcome = {
  errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
  errorMessage: 'This topic does not exist.',
}
