import { ErrorCode } from '../../protocol/error-codes.js'
import { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import { handle } from '../handler.js'

export const deleteGroups = handle(DeleteGroups, async (request, { groups }) => {
  const errorCodes = await groups.delete(request.groupsNames)
  return {
    results: request.groupsNames.map((groupId, i) => ({
      groupId,
      errorCode: errorCodes[i] ?? ErrorCode.UNKNOWN_SERVER_ERROR,
    })),
  }
})
