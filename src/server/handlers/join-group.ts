import { JoinGroup } from '../../protocol/messages/join-group.js'
import { handle } from '../handler.js'

/** A later request of this connection, such as a leave, need not wait until the rebalance is over. */
export const joinGroup = handle(JoinGroup, async (request, context) => {
  const joining = context.groups.join(
    {
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: context.clientId,
      clientHost: context.clientHost,
      sessionTimeoutMs: request.sessionTimeoutMs,
      // v0 has none.
      rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
      requiresKnownMemberId: context.apiVersion >= 4,
      supportsSkippingAssignment: context.apiVersion >= 9,
    },
    context.signal,
  )
  context.proceed()
  const answer = await joining
  return {
    errorCode: answer.errorCode,
    generationId: answer.generationId,
    protocolType: answer.protocolType,
    // Null only from v7 on.
    protocolName: answer.protocolName ?? (context.apiVersion >= 7 ? null : ''),
    leader: answer.leader,
    skipAssignment: answer.skipAssignment,
    memberId: answer.memberId,
    members: answer.members,
  }
})
