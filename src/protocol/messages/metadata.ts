import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int16, int32, string, uuid } from '../schema.js'

/**
 * Metadata, v0–13. Brokers, controller, topics and their partitions.
 * v0: an empty list of topics asks for all; from v1 on null does, and an empty one asks for none.
 * v1: racks, controllerId, isInternal. v2: clusterId. v3: throttleTimeMs. v4: allowAutoTopicCreation. v5: offlineReplicas.
 * v7: leaderEpoch (KIP-320). v8: authorized operations (KIP-430). v9: flexible. v10: topicId (KIP-516).
 * v11: no authorized operations of the cluster any more (KIP-700). v12: a topic may be asked for by its id alone.
 * v13: errorCode of the whole response.
 */
export const Metadata = api(3, 'Metadata', {
  versions: [0, 13],
  flexible: 9,
  request: {
    topics: array({
      topicId: uuid.since(10),
      name: string.orNull(10),
    }).orNull(1),
    allowAutoTopicCreation: boolean.default(true).since(4),
    includeClusterAuthorizedOperations: boolean.since(8).until(10),
    includeTopicAuthorizedOperations: boolean.since(8),
  },
  response: {
    throttleTimeMs: int32.default(0).since(3),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.orNull().default(null).since(1),
    }),
    clusterId: string.orNull().default(null).since(2),
    controllerId: int32.default(-1).since(1),
    topics: array({
      errorCode: int16,
      name: string.orNull(12),
      topicId: uuid.since(10),
      isInternal: boolean.default(false).since(1),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.default(-1).since(7),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: array(int32).since(5),
      }),
      topicAuthorizedOperations: int32.default(-2147483648).since(8),
    }),
    clusterAuthorizedOperations: int32.default(-2147483648).since(8).until(10),
    errorCode: int16.since(13),
  },
})

export type MetadataRequest = DecodedOf<typeof Metadata.request>
export type MetadataResponse = EncodableOf<typeof Metadata.response>
