import { ErrorCode } from '../../protocol/error-codes.js'
import { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import { handle } from '../handler.js'

/** All that can be done with a group, as Kafka's bit field of `AclOperation`: read (3), delete (6), describe (8). */
const groupOperations = (1 << 3) | (1 << 6) | (1 << 8)

/** A group that does not exist is a dead group without error until v5, and GROUP_ID_NOT_FOUND from v6 on (KIP-1043). */
export const describeGroups = handle(DescribeGroups, async (request, { apiVersion, groups }) => ({
  groups: (await groups.describe(request.groups)).map((group) => {
    const isUnknown = group.errorCode === ErrorCode.GROUP_ID_NOT_FOUND
    return {
      errorCode: isUnknown && apiVersion < 6 ? ErrorCode.NONE : group.errorCode,
      errorMessage: isUnknown ? `Group ${group.groupId} not found.` : null,
      groupId: group.groupId,
      groupState: group.groupState,
      protocolType: group.protocolType,
      protocolData: group.protocolData,
      members: group.members,
      ...(request.includeAuthorizedOperations && { authorizedOperations: groupOperations }),
    }
  }),
}))
