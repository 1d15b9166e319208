import { ErrorCode } from '../../protocol/error-codes.js'
import { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { handle } from '../handler.js'

/** Before v3 one member leaves, and its error is the request's. */
export const leaveGroup = handle(LeaveGroup, async (request, { apiVersion, groups }) => {
  const isBatch = apiVersion >= 3
  const members = isBatch ? request.members : [{ memberId: request.memberId, groupInstanceId: null }]
  const { errorCode, memberErrorCodes } = await groups.leave(request.groupId, members)
  if (errorCode !== ErrorCode.NONE) return { errorCode, members: [] }
  if (!isBatch) return { errorCode: memberErrorCodes[0] ?? ErrorCode.UNKNOWN_SERVER_ERROR }
  return {
    errorCode,
    members: members.map(({ memberId, groupInstanceId }, i) => ({
      memberId,
      groupInstanceId,
      errorCode: memberErrorCodes[i] ?? ErrorCode.UNKNOWN_SERVER_ERROR,
    })),
  }
})
