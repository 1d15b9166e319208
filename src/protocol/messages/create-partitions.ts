import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, boolean, int16, int32, string } from '../schema.js'

/**
 * CreatePartitions, v0–3. Raises the number of partitions of topics.
 * v2: flexible. v3: THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
export const CreatePartitions = api(37, 'CreatePartitions', {
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: array({
      name: string,
      count: int32,
      assignments: array({
        brokerIds: array(int32),
      }).orNull(),
    }),
    timeoutMs: int32,
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: string.orNull().default(null),
    }),
  },
})

export type CreatePartitionsRequest = DecodedOf<typeof CreatePartitions.request>
export type CreatePartitionsResponse = EncodableOf<typeof CreatePartitions.response>
