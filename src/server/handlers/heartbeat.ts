import { Heartbeat } from '../../protocol/messages/heartbeat.js'
import { handle } from '../handler.js'

export const heartbeat = handle(Heartbeat, async (request, { groups }) => ({
  errorCode: await groups.heartbeat(request),
}))
