import { api, type DecodedOf, type EncodableOf } from '../api.js'
import { array, int16, int32, string } from '../schema.js'

/**
 * ListGroups, v0–5. The groups of this coordinator.
 * v1: throttleTimeMs. v3: flexible. v4: statesFilter, groupState (KIP-518). v5: typesFilter, groupType (KIP-848).
 */
export const ListGroups = api(16, 'ListGroups', {
  versions: [0, 5],
  flexible: 3,
  request: {
    statesFilter: array(string).since(4),
    typesFilter: array(string).since(5),
  },
  response: {
    throttleTimeMs: int32.default(0).since(1),
    errorCode: int16,
    groups: array({
      groupId: string,
      protocolType: string,
      groupState: string.since(4),
      groupType: string.since(5),
    }),
  },
})

export type ListGroupsRequest = DecodedOf<typeof ListGroups.request>
export type ListGroupsResponse = EncodableOf<typeof ListGroups.response>
