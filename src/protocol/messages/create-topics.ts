import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int8, int16, int32, string, uuid } from '../schema.js'

/**
 * CreateTopics, v2–7.
 * v4: numPartitions and replicationFactor may be -1 for the broker's default (KIP-464).
 * v5: flexible, the response holds the topic's configs (KIP-525). v6: THROTTLING_QUOTA_EXCEEDED (KIP-599).
 * v7: topicId in the response (KIP-516).
 */
export const CreateTopics = api(19, 'CreateTopics', {
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: array({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array({
        partitionIndex: int32,
        brokerIds: array(int32),
      }),
      configs: array({
        name: string,
        value: string.orNull(),
      }),
    }),
    timeoutMs: int32.default(60000),
    validateOnly: boolean.default(false),
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      name: string,
      topicId: uuid.since(7),
      errorCode: int16,
      errorMessage: string.orNull().default(null),
      topicConfigErrorCode: int16.tagged(0, 5),
      numPartitions: int32.default(-1).since(5),
      replicationFactor: int16.default(-1).since(5),
      configs: array({
        name: string,
        value: string.orNull(),
        readOnly: boolean,
        configSource: int8.default(-1),
        isSensitive: boolean,
      })
        .orNull()
        .since(5),
    }),
  },
})

export type CreateTopicsRequest = DecodedOf<typeof CreateTopics.request>
export type CreateTopicsResponse = EncodableOf<typeof CreateTopics.response>
