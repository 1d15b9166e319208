import type { AnyApi } from './api.js'
import { ApiVersions } from './messages/api-versions.js'
import { CreatePartitions } from './messages/create-partitions.js'
import { CreateTopics } from './messages/create-topics.js'
import { DeleteGroups } from './messages/delete-groups.js'
import { DeleteRecords } from './messages/delete-records.js'
import { DeleteTopics } from './messages/delete-topics.js'
import { DescribeCluster } from './messages/describe-cluster.js'
import { DescribeConfigs } from './messages/describe-configs.js'
import { DescribeGroups } from './messages/describe-groups.js'
import { Fetch } from './messages/fetch.js'
import { FindCoordinator } from './messages/find-coordinator.js'
import { Heartbeat } from './messages/heartbeat.js'
import { InitProducerId } from './messages/init-producer-id.js'
import { JoinGroup } from './messages/join-group.js'
import { LeaveGroup } from './messages/leave-group.js'
import { ListGroups } from './messages/list-groups.js'
import { ListOffsets } from './messages/list-offsets.js'
import { Metadata } from './messages/metadata.js'
import { OffsetCommit } from './messages/offset-commit.js'
import { OffsetFetch } from './messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from './messages/offset-for-leader-epoch.js'
import { Produce } from './messages/produce.js'
import { SaslAuthenticate } from './messages/sasl-authenticate.js'
import { SaslHandshake } from './messages/sasl-handshake.js'
import { SyncGroup } from './messages/sync-group.js'

/** Every API declared, in ascending order of its key. Which of them are served is the server's business. */
export const apis: readonly AnyApi[] = [
  Produce,
  Fetch,
  ListOffsets,
  Metadata,
  OffsetCommit,
  OffsetFetch,
  FindCoordinator,
  JoinGroup,
  Heartbeat,
  LeaveGroup,
  SyncGroup,
  DescribeGroups,
  ListGroups,
  SaslHandshake,
  ApiVersions,
  CreateTopics,
  DeleteTopics,
  DeleteRecords,
  InitProducerId,
  OffsetForLeaderEpoch,
  DescribeConfigs,
  SaslAuthenticate,
  CreatePartitions,
  DeleteGroups,
  DescribeCluster,
]

const byKey: (AnyApi | undefined)[] = []
for (const api of apis) byKey[api.key] = api

/** The API of a key, or undefined where none is declared. */
export function apiOf(key: number): AnyApi | undefined {
  return byKey[key]
}
