import type { TopicId } from '../cluster.js'
import type { GroupProtocol } from '../views/group.js'

/** What the server asks of the coordinator: the protocol's requests, whatever their version. */

export interface JoinRequest {
  groupId: string
  /** Empty if it has none yet. */
  memberId: string
  groupInstanceId: string | null
  clientId: string
  /** As Kafka shows it: `/127.0.0.1`. */
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocolType: string
  protocols: readonly GroupProtocol[]
  /** JoinGroup v4 and later (KIP-394). */
  requiresKnownMemberId: boolean
  /** JoinGroup v9 and later (KIP-814). */
  supportsSkippingAssignment: boolean
}

export interface SyncRequest {
  groupId: string
  memberId: string
  groupInstanceId: string | null
  generationId: number
  protocolType: string | null
  protocolName: string | null
  assignments: readonly { memberId: string; assignment: Buffer }[]
}

export interface HeartbeatRequest {
  groupId: string
  memberId: string
  groupInstanceId: string | null
  generationId: number
}

export interface CommitRequest {
  groupId: string
  /** Empty, with generation -1, from those that use the group only to keep offsets. */
  memberId: string
  groupInstanceId: string | null
  generationId: number
  topics: readonly {
    name: string
    /** Set if the client named the topic by its id. */
    id: TopicId | null
    partitions: readonly { partition: number; offset: number; leaderEpoch: number; metadata: string | null }[]
  }[]
}
