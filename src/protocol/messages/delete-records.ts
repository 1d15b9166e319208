import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, int64, int64Saturating, string } from '../schema.js'

/**
 * DeleteRecords, v0–2. Moves the log start offset up to an offset; -1 is the high watermark (KIP-107).
 * v2: flexible.
 */
export const DeleteRecords = api(21, 'DeleteRecords', {
  versions: [0, 2],
  flexible: 2,
  request: {
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        offset: int64Saturating,
      }),
    }),
    timeoutMs: int32,
  },
  response: {
    throttleTimeMs: int32.default(0),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        lowWatermark: int64,
        errorCode: int16,
      }),
    }),
  },
})

export type DeleteRecordsRequest = DecodedOf<typeof DeleteRecords.request>
export type DeleteRecordsResponse = EncodableOf<typeof DeleteRecords.response>
