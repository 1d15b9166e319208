import { ListGroups } from '../../protocol/messages/list-groups.js'
import { handle } from '../handler.js'

export const listGroups = handle(ListGroups, async (request, { groups }) =>
  groups.list(request.statesFilter, request.typesFilter),
)
