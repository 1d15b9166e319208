import { ErrorCode } from '../../protocol/error-codes.js'
import type { TopicId } from '../cluster.js'
import { type Capturable, type Captured, Captures, type Slices } from './capture.js'
import { arm, type Group } from './group.js'
import type { State } from './state.js'
import type { ApplyTable, Place, StateEvents } from './view.js'

/** An offset that a group has committed, and where in the ledger that stands. */
export interface StoredOffset {
  offset: number
  leaderEpoch: number
  metadata: string
  /** The wall clock of the instance that took the commit. */
  committedAtMs: number
  position: number
  /** The writer number of that instance; 0 where a version that did not keep it took the commit. */
  writer: number
}

/** What a group has committed for one topic, by partition. */
class TopicOffsets extends Map<number, StoredOffset> implements Capturable {
  readonly groupId: string
  readonly topic: string
  captured: number

  constructor(groupId: string, topic: string, captured: number) {
    super()
    this.groupId = groupId
    this.topic = topic
    this.captured = captured
  }

  toSnapshot(): PackedOffset[] {
    return [...this].map(([partition, { offset, leaderEpoch, metadata, committedAtMs, position, writer }]) => [
      partition,
      offset,
      leaderEpoch,
      metadata,
      committedAtMs,
      position,
      writer,
    ])
  }
}

type ByTopic = Map<string, TopicOffsets>

/** What an offset takes in a snapshot, bytes. */
const offsetBytes = 44

function captureOffsets(offsets: TopicOffsets): Captured {
  const { groupId, topic, size } = offsets
  return { plain: [groupId, topic, offsets.toSnapshot()], bytes: (1 + size) * offsetBytes }
}

/** The committed offsets of all groups, by topic name. */
export class Offsets {
  readonly #byGroup = new Map<string, ByTopic>()
  readonly #captures = new Captures<TopicOffsets>(captureOffsets)

  get(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    return this.#byGroup.get(groupId)?.get(topic)?.get(partition)
  }

  /** Topic by topic; nothing for a group without offsets. */
  ofGroup(groupId: string): ReadonlyMap<string, ReadonlyMap<number, StoredOffset>> {
    return this.#byGroup.get(groupId) ?? new Map()
  }

  put(groupId: string, topic: string, partition: number, stored: StoredOffset): void {
    const byTopic: ByTopic = this.#byGroup.get(groupId) ?? new Map()
    const byPartition = byTopic.get(topic) ?? new TopicOffsets(groupId, topic, this.#captures.count)
    this.#byGroup.set(groupId, byTopic)
    byTopic.set(topic, byPartition)
    this.#captures.willChange(byPartition)
    byPartition.set(partition, stored)
  }

  remove(groupId: string, topic: string, partition: number): void {
    const byTopic = this.#byGroup.get(groupId)
    const byPartition = byTopic?.get(topic)
    if (byTopic === undefined || byPartition === undefined) return
    this.#captures.willChange(byPartition)
    byPartition.delete(partition)
    if (byPartition.size === 0) byTopic.delete(topic)
    if (byTopic.size === 0) this.#byGroup.delete(groupId)
  }

  removeGroup(groupId: string): void {
    this.#byGroup.delete(groupId)
  }

  /** Forgets what all groups have committed for a topic that is deleted. */
  removeTopic(topic: string): void {
    for (const [groupId, byTopic] of this.#byGroup)
      if (byTopic.delete(topic) && byTopic.size === 0) this.#byGroup.delete(groupId)
  }

  /** Begins to take all offsets as they are now. */
  capture(): Slices {
    return this.#captures.begin([...this.#byGroup.values()].flatMap((byTopic) => [...byTopic.values()]))
  }

  /** Takes back what a capture gave; in the same order. */
  restore(plain: unknown): void {
    const [groupId, topic, partitions] = plain as [string, string, PackedOffset[]]
    for (const [partition, offset, leaderEpoch, metadata, committedAtMs, position, writer = 0] of partitions)
      this.put(groupId, topic, partition, { offset, leaderEpoch, metadata, committedAtMs, position, writer })
  }

  toSnapshot(): unknown {
    return [...this.#byGroup].map(
      ([groupId, byTopic]): PackedGroupOffsets => [
        groupId,
        [...byTopic].map(([topic, byPartition]) => [topic, byPartition.toSnapshot()]),
      ],
    )
  }

  static fromSnapshot(snapshot: unknown): Offsets {
    const offsets = new Offsets()
    for (const [groupId, topics] of snapshot as PackedGroupOffsets[])
      for (const [topic, partitions] of topics) offsets.restore([groupId, topic, partitions])
    return offsets
  }
}

type PackedOffset = [
  partition: number,
  offset: number,
  leaderEpoch: number,
  metadata: string,
  committedAtMs: number,
  position: number,
  /** Since format 6 of snapshots. */
  writer?: number,
]
type PackedGroupOffsets = [groupId: string, topics: [topic: string, partitions: PackedOffset[]][]]

export type CommittedPartition = [partition: number, offset: number, leaderEpoch: number, metadata: string]

interface Commit {
  groupId: string
  /** Empty, with generation -1, from those that use a group only to keep offsets. */
  memberId: string
  groupInstanceId: string | null
  generationId: number
  topics: {
    name: string
    /** The topic that is meant, if the client named it by id: one of the same name made later is another. */
    id: TopicId | null
    partitions: CommittedPartition[]
  }[]
}

/** A commit of a pipeline; until there was `commitOffsetsAfter`, those of clients too. */
export interface CommitOffsetsCommand extends Commit {
  /** The commit counts only while its sender holds this lease. */
  lease: { name: string; term: number } | null
}

/**
 * A client's commit. A client that is not answered turns to another instance and commits what it has read since; the
 * commit that it gave up may be ordered long after, as parts are that somebody left in a lane before he was killed. Then
 * it must not take the place of the later one.
 */
export interface CommitOffsetsAfterCommand extends Commit {
  /**
   * How many commands the instance had applied when it took the commit. What another writer committed for a partition
   * at this position or later, nobody knew of then, so it stays.
   */
  after: number
}

export interface CommitOffsetsOutcome {
  /** The whole commit was refused: GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION, …; FENCED_MEMBER_EPOCH for a lost lease. */
  errorCode: ErrorCode
  /**
   * As in the command: one code per partition of each topic; empty if the whole was refused. COORDINATOR_LOAD_IN_PROGRESS
   * where `after` forbids it: clients ask again, and those that have gone on elsewhere don't hear it.
   */
  partitionErrorCodes: ErrorCode[][]
}

/** What has outlived its retention, with where it stood when that was found; what has changed since stays. */
export interface ExpireOffsetsCommand {
  groupId: string
  /** Position at which the group became empty. */
  emptySince: number
  offsets: [topic: string, partition: number, position: number][]
}

export interface OffsetCommands {
  commitOffsets: { command: CommitOffsetsCommand; outcome: CommitOffsetsOutcome }
  commitOffsetsAfter: { command: CommitOffsetsAfterCommand; outcome: CommitOffsetsOutcome }
  expireOffsets: { command: ExpireOffsetsCommand; outcome: { removedCount: number; isGroupRemoved: boolean } }
}

export const offsetApply: ApplyTable<OffsetCommands> = {
  commitOffsets(state, command, place, events) {
    const { lease } = command
    if (lease !== null && !state.leases.isHeld(lease.name, lease.term))
      return { errorCode: ErrorCode.FENCED_MEMBER_EPOCH, partitionErrorCodes: [] }
    return commit(state, command, Number.POSITIVE_INFINITY, place, events)
  },

  commitOffsetsAfter(state, command, place, events) {
    return commit(state, command, command.after, place, events)
  },

  expireOffsets(state, command, _place, events) {
    const group = state.groups.byId(command.groupId)
    if (group?.phase !== 'empty' || group.emptySince.position !== command.emptySince)
      return { removedCount: 0, isGroupRemoved: false }
    let removedCount = 0
    for (const [topic, partition, position] of command.offsets)
      if (state.offsets.get(command.groupId, topic, partition)?.position === position) {
        state.offsets.remove(command.groupId, topic, partition)
        removedCount++
      }
    const isGroupRemoved = state.offsets.ofGroup(command.groupId).size === 0 && group.pendingMembers.size === 0
    if (isGroupRemoved) {
      state.groups.remove(command.groupId)
      events.groupChanged(command.groupId)
    }
    return { removedCount, isGroupRemoved }
  },
}

/** `after`: as in `CommitOffsetsAfterCommand`. */
function commit(state: State, command: Commit, after: number, place: Place, events: StateEvents): CommitOffsetsOutcome {
  const { groupId, topics } = command
  const known = state.groups.forChange(groupId)
  const refusal = validateCommit(known, command)
  if (refusal !== ErrorCode.NONE) return { errorCode: refusal, partitionErrorCodes: [] }

  // Committing keeps a member's session alive, as a heartbeat does.
  const member = known?.members.get(command.memberId)
  if (member !== undefined) member.session = arm(place, member.sessionTimeoutMs)

  const { timeMs, position, writer } = place
  const partitionErrorCodes = topics.map(({ name, id, partitions }) => {
    const topic = state.topics.byName(name)
    return partitions.map(([partition, offset, leaderEpoch, metadata]): ErrorCode => {
      if (topic === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      if (id !== null && topic.id !== id) return ErrorCode.UNKNOWN_TOPIC_ID
      if (partition < 0 || partition >= topic.partitionCount) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      const stored = state.offsets.get(groupId, name, partition)
      if (stored !== undefined && stored.writer !== writer && stored.position >= after)
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
      state.groups.ensure(groupId, place)
      const committed = { offset, leaderEpoch, metadata, committedAtMs: timeMs, position, writer }
      state.offsets.put(groupId, name, partition, committed)
      return ErrorCode.NONE
    })
  })
  events.groupChanged(groupId)
  return { errorCode: ErrorCode.NONE, partitionErrorCodes }
}

/** Why the commit as a whole is refused, or NONE (Kafka's `ClassicGroup.validateOffsetCommit`). */
function validateCommit(group: Group | undefined, command: Commit): ErrorCode {
  const { memberId, groupInstanceId, generationId } = command
  if (group === undefined) return generationId < 0 ? ErrorCode.NONE : ErrorCode.GROUP_ID_NOT_FOUND
  if (generationId < 0 && group.phase === 'empty') return ErrorCode.NONE
  if (generationId < 0 && memberId === '' && groupInstanceId === null) return ErrorCode.UNKNOWN_MEMBER_ID
  const refusal = group.validateMember(memberId, groupInstanceId)
  if (refusal !== ErrorCode.NONE) return refusal
  if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION
  // The member knows the generation but has no assignment in it yet.
  return group.phase === 'completingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
}
