import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, string } from '../schema.js'

/**
 * DeleteGroups, v0–2. Deletes empty groups and their offsets.
 * v2: flexible.
 */
export const DeleteGroups = api(42, 'DeleteGroups', {
  versions: [0, 2],
  flexible: 2,
  request: {
    groupsNames: array(string),
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      groupId: string,
      errorCode: int16,
    }),
  },
})

export type DeleteGroupsRequest = DecodedOf<typeof DeleteGroups.request>
export type DeleteGroupsResponse = EncodableOf<typeof DeleteGroups.response>
