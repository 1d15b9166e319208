import { SyncGroup } from '../../protocol/messages/sync-group.js'
import { handle } from '../handler.js'

/** As with JoinGroup, later requests of the connection do not wait for the leader. */
export const syncGroup = handle(SyncGroup, async (request, context) => {
  const syncing = context.groups.sync(request, context.signal)
  context.proceed()
  const { errorCode, protocolType, protocolName, assignment } = await syncing
  return { errorCode, protocolType, protocolName, assignment }
})
