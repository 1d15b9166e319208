import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, string, uuid, ZERO_UUID } from '../schema.js'

/**
 * DeleteTopics, v1–6.
 * v3: TOPIC_DELETION_DISABLED. v4: flexible. v5: errorMessage, THROTTLING_QUOTA_EXCEEDED (KIP-599).
 * v6: topics, by name or by id, instead of topicNames (KIP-516).
 */
export const DeleteTopics = api(20, 'DeleteTopics', {
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: array({
      name: string.orNull().default(null),
      topicId: uuid.default(ZERO_UUID),
    }).since(6),
    topicNames: array(string).until(5),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.default(0),
    responses: array({
      name: string.orNull(6),
      topicId: uuid.since(6),
      errorCode: int16,
      errorMessage: string.orNull().default(null).since(5),
    }),
  },
})

export type DeleteTopicsRequest = DecodedOf<typeof DeleteTopics.request>
export type DeleteTopicsResponse = EncodableOf<typeof DeleteTopics.response>
