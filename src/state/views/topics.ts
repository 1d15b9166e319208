import { ErrorCode } from '../../protocol/error-codes.js'
import type { Topic, TopicId, TopicOutcome } from '../cluster.js'
import { homeLedger, ledgerOfPartition } from '../routing.js'
import { type Slices, slicesOf } from './capture.js'
import type { State } from './state.js'
import type { ApplyTable, Place, StateEvents } from './view.js'

/** Which topics there are. Their records are in `partition-log.ts`. */
export class Topics {
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<TopicId, Topic>()
  /**
   * In a cluster of several ledgers the version of the catalogue that this is, see `catalogue.ts`: in the home ledger
   * raised by each change of a topic; in the others that of the home ledger which they hold. Otherwise 0.
   */
  version = 0

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
    this.put(topicFromSnapshot(plain as PackedTopic))
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

export type PackedTopic = [
  name: string,
  id: TopicId,
  partitionCount: number,
  createdAtMs: number,
  configs: [name: string, value: string][],
  changedAt?: number,
]

export function topicToSnapshot(topic: Topic): PackedTopic {
  const { name, id, partitionCount, createdAtMs, configs, changedAt } = topic
  const plain: PackedTopic = [name, id, partitionCount, createdAtMs, [...configs]]
  if (changedAt !== undefined) plain.push(changedAt)
  return plain
}

export function topicFromSnapshot(plain: PackedTopic): Topic {
  const [name, id, partitionCount, createdAtMs, configs, changedAt] = plain
  const topic = { name, id, partitionCount, createdAtMs, configs: new Map(configs) }
  return changedAt === undefined ? topic : { ...topic, changedAt }
}

/** The id is the proposer's: a topic that is deleted and made again is another topic (KIP-516). */
export interface CreateTopicCommand {
  name: string
  id: TopicId
  partitionCount: number
  configs: [name: string, value: string][]
  /** How many ledgers the cluster has; 1 if it does not say. */
  ledgers?: number
}

export interface CreatePartitionsCommand {
  id: TopicId
  partitionCount: number
  /** As for `createTopic`. */
  ledgers?: number
}

export interface TopicCommands {
  createTopic: { command: CreateTopicCommand; outcome: TopicOutcome }
  deleteTopic: { command: { id: TopicId }; outcome: TopicOutcome }
  createPartitions: { command: CreatePartitionsCommand; outcome: TopicOutcome }
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
    const { id, name, partitionCount, ledgers = 1 } = command
    const configs = new Map(command.configs)
    const plain: Topic = { name, id, partitionCount, configs, createdAtMs: place.timeMs }
    const topic = ledgers === 1 ? plain : { ...plain, changedAt: changed(state, place) }
    state.topics.put(topic)
    state.partitions.extend(id, partitionCount, isAtHome(id, ledgers))
    events.topicChanged(topic.name)
    return { errorCode: ErrorCode.NONE, topic }
  },

  deleteTopic(state, command, place, events) {
    const topic = state.topics.byId(command.id)
    if (topic === undefined) return unknownTopic
    if (topic.changedAt !== undefined) changed(state, place)
    dropTopic(state, topic, events)
    return { errorCode: ErrorCode.NONE, topic }
  },

  createPartitions(state, command, place, events) {
    const topic = state.topics.byId(command.id)
    if (topic === undefined) return unknownTopic
    if (command.partitionCount <= topic.partitionCount)
      return {
        errorCode: ErrorCode.INVALID_PARTITIONS,
        errorMessage: `Topic currently has ${topic.partitionCount} partitions, which is not less than the requested ${command.partitionCount}.`,
        topic,
      }
    const { id, partitionCount, ledgers = 1 } = command
    const plain: Topic = { ...topic, partitionCount }
    const grown = ledgers === 1 ? plain : { ...plain, changedAt: changed(state, place) }
    state.topics.put(grown)
    state.partitions.extend(id, partitionCount, isAtHome(id, ledgers))
    events.topicChanged(topic.name)
    return { errorCode: ErrorCode.NONE, topic: grown }
  },
}

/** Removes a topic, its records' places, and what groups have committed for it. */
export function dropTopic(state: State, topic: Topic, events: StateEvents): void {
  state.topics.remove(topic)
  state.partitions.removeTopic(topic.id)
  state.offsets.removeTopic(topic.name)
  events.topicChanged(topic.name)
  for (let partition = 0; partition < topic.partitionCount; partition++) events.partitionChanged(topic.id, partition)
}

/** The catalogue has a new version. */
function changed(state: State, { position }: Place): number {
  state.topics.version = position + 1
  return state.topics.version
}

const isAtHome = (id: TopicId, ledgers: number) => (partition: number) =>
  ledgerOfPartition(id, partition, ledgers) === homeLedger

const unknownTopic: TopicOutcome = {
  errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
  errorMessage: 'This topic does not exist.',
}
