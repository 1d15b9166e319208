import { ErrorCode } from '../../protocol/error-codes.js'
import { Heartbeat } from '../../protocol/messages/heartbeat.js'
import { JoinGroup } from '../../protocol/messages/join-group.js'
import { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { SyncGroup } from '../../protocol/messages/sync-group.js'
import {
  assignRanges,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.js'
import { awaitCoordinator } from './coordinator.js'
import { check } from './errors.js'
import { type FetchedRecord, fetchRecords, type Positions } from './fetcher.js'
import { giveBack, type RecordSource, resetPosition, type SourceOptions } from './record-source.js'
import { offsetsAt, Timestamp } from './topics.js'

const sessionTimeoutMs = 45_000
const rebalanceTimeoutMs = 60_000
const heartbeatIntervalMs = 3_000
const commitIntervalMs = 5_000

/**
 * Reads what a consumer group assigns to this member: the classic protocol with the range assignor, one topic. What a
 * poll gave counts as used once the next poll is made; it is committed every five seconds and at the end.
 */
export async function groupSource(options: SourceOptions & { group: string }): Promise<RecordSource> {
  await awaitCoordinator(options.connection, options.group, options.clock)
  return new GroupSource(options)
}

/**
 * Codes after which a member joins again: with its id when others moved, anew when its membership is gone, with its
 * id after a pause when the coordinator is not ready yet.
 */
const rejoinCodes = new Map<number, 'same' | 'new' | 'later'>([
  [ErrorCode.REBALANCE_IN_PROGRESS, 'same'],
  [ErrorCode.ILLEGAL_GENERATION, 'new'],
  [ErrorCode.UNKNOWN_MEMBER_ID, 'new'],
  [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 'later'],
  [ErrorCode.COORDINATOR_NOT_AVAILABLE, 'later'],
  [ErrorCode.NOT_COORDINATOR, 'later'],
])
const pauseMs = 250
/** Most pauses one after another: ten seconds. */
const pausesMax = 40

class GroupSource implements RecordSource {
  readonly #options: SourceOptions & { group: string }
  #memberId = ''
  #generation = -1
  #positions: Positions = new Map()
  /** Positions as they were last committed. */
  #committed = new Map<number, number>()
  #mustJoin = true
  /** Pauses since the coordinator was last ready. */
  #pauses = 0
  #heartbeatAt = 0
  #commitAt = 0

  constructor(options: SourceOptions & { group: string }) {
    this.#options = options
  }

  async poll(waitMs: number): Promise<FetchedRecord[]> {
    const { clock, connection, topic } = this.#options
    const now = clock.monotonic()
    if (!this.#mustJoin && now >= this.#heartbeatAt) await this.#heartbeat()
    if (!this.#mustJoin && now >= this.#commitAt) await this.#commit()
    while (this.#mustJoin) {
      const pausesBefore = this.#pauses
      await this.#join()
      if (this.#pauses > pausesBefore) await clock.sleep(pauseMs)
    }
    this.#pauses = 0
    if (this.#positions.size > 0)
      return await fetchRecords(connection, topic, this.#positions, waitMs, resetPosition(this.#options))
    await clock.sleep(waitMs)
    return []
  }

  giveBack(unused: readonly FetchedRecord[]): void {
    giveBack(this.#positions, unused)
  }

  async close(): Promise<void> {
    const { connection, group: groupId } = this.#options
    if (!this.#mustJoin) await this.#commit()
    if (this.#memberId === '') return
    const memberId = this.#memberId
    const answer = await connection.request(LeaveGroup, { groupId, memberId, members: [{ memberId }] })
    check(`leave group ${groupId}`, answer.errorCode)
  }

  async #join(): Promise<void> {
    const { connection, group: groupId, topic } = this.#options
    const joined = await connection.request(
      JoinGroup,
      {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: encodeSubscription([topic.name]) }],
      },
      { waitMs: rebalanceTimeoutMs },
    )
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId
      return
    }
    if (this.#mustRejoin(joined.errorCode)) return
    check(`join group ${groupId}`, joined.errorCode)
    this.#memberId = joined.memberId
    this.#generation = joined.generationId

    const synced = await connection.request(
      SyncGroup,
      {
        groupId,
        generationId: this.#generation,
        memberId: this.#memberId,
        protocolType: 'consumer',
        protocolName: joined.protocolName,
        assignments: joined.leader === joined.memberId ? this.#assign(joined.members) : [],
      },
      { waitMs: rebalanceTimeoutMs },
    )
    if (this.#mustRejoin(synced.errorCode)) return
    check(`sync group ${groupId}`, synced.errorCode)
    const partitions = decodeAssignment(synced.assignment).get(topic.name) ?? []
    this.#positions = await this.#fetchCommitted(partitions)
    this.#committed = new Map(this.#positions)
    this.#mustJoin = false
    this.#heartbeatAt = this.#options.clock.monotonic() + heartbeatIntervalMs
    this.#commitAt = this.#options.clock.monotonic() + commitIntervalMs
  }

  /** The leader's part: who reads what. Topics of other members that are not ours stay with nobody here. */
  #assign(members: readonly { memberId: string; metadata: Buffer }[]) {
    const { topic } = this.#options
    const subscriptions = new Map(members.map((member) => [member.memberId, decodeSubscription(member.metadata)]))
    const assignments = assignRanges(subscriptions, new Map([[topic.name, topic.partitions.length]]))
    return [...assignments].map(([memberId, assignment]) => ({ memberId, assignment: encodeAssignment(assignment) }))
  }

  async #fetchCommitted(partitions: readonly number[]): Promise<Positions> {
    const { connection, group: groupId, topic, start } = this.#options
    if (partitions.length === 0) return new Map()
    const topics = [{ name: topic.name, topicId: topic.id, partitionIndexes: partitions }]
    const answer = await connection.request(OffsetFetch, { groupId, topics, groups: [{ groupId, topics }] })
    const group = answer.groups[0] ?? answer
    check(`offsets of group ${groupId}`, group.errorCode)
    const positions: Positions = new Map()
    for (const { partitionIndex, committedOffset, errorCode } of group.topics[0]?.partitions ?? []) {
      check(`offset of group ${groupId} in ${topic.name}-${partitionIndex}`, errorCode)
      if (committedOffset >= 0) positions.set(partitionIndex, committedOffset)
    }
    const without = partitions.filter((partition) => !positions.has(partition))
    if (without.length > 0)
      for (const [partition, offset] of await offsetsAt(connection, topic.name, without, Timestamp[start]))
        positions.set(partition, offset)
    return positions
  }

  async #heartbeat(): Promise<void> {
    const { connection, group: groupId, clock } = this.#options
    const { errorCode } = await connection.request(Heartbeat, {
      groupId,
      generationId: this.#generation,
      memberId: this.#memberId,
    })
    this.#heartbeatAt = clock.monotonic() + heartbeatIntervalMs
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS) await this.#commit()
    if (!this.#mustRejoin(errorCode)) check(`heartbeat in group ${groupId}`, errorCode)
  }

  async #commit(): Promise<void> {
    const { connection, group: groupId, topic, clock } = this.#options
    this.#commitAt = clock.monotonic() + commitIntervalMs
    const moved = [...this.#positions].filter(([partition, offset]) => this.#committed.get(partition) !== offset)
    if (moved.length === 0) return
    const answer = await connection.request(OffsetCommit, {
      groupId,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      topics: [
        {
          name: topic.name,
          topicId: topic.id,
          partitions: moved.map(([partitionIndex, committedOffset]) => ({
            partitionIndex,
            committedOffset,
            committedMetadata: '',
          })),
        },
      ],
    })
    for (const { partitionIndex, errorCode } of answer.topics[0]?.partitions ?? []) {
      if (this.#mustRejoin(errorCode)) return
      check(`commit of group ${groupId} in ${topic.name}-${partitionIndex}`, errorCode)
    }
    this.#committed = new Map(this.#positions)
  }

  #mustRejoin(errorCode: number): boolean {
    const how = rejoinCodes.get(errorCode)
    if (how === undefined || this.#pauses === pausesMax) return false
    if (how === 'later') this.#pauses++
    this.#mustJoin = true
    if (how === 'new') this.#memberId = ''
    return true
  }
}
