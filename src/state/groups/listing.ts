import { ErrorCode } from '../../protocol/error-codes.js'
import { type GroupPhase, metadataOf } from '../views/group.js'
import type { State } from '../views/state.js'

/** What there is to be told about groups as the state stands: nothing here changes or waits. */

export interface FetchedOffset {
  partition: number
  /** -1 if nothing was committed. */
  offset: number
  leaderEpoch: number
  metadata: string
}

export interface FetchedTopic {
  name: string
  partitions: FetchedOffset[]
}

export interface DescribedGroup {
  /** GROUP_ID_NOT_FOUND for a group that does not exist (its state is then `Dead`). */
  errorCode: ErrorCode
  groupId: string
  groupState: string
  protocolType: string
  /** The selected protocol of a stable group, else empty. */
  protocolData: string
  members: {
    memberId: string
    groupInstanceId: string | null
    clientId: string
    clientHost: string
    memberMetadata: Buffer
    memberAssignment: Buffer
  }[]
}

export interface ListedGroup {
  groupId: string
  protocolType: string
  groupState: string
  groupType: 'classic'
}

/** A phase as Kafka's tools spell it. */
const stateNames: Readonly<Record<GroupPhase, string>> = {
  empty: 'Empty',
  preparingRebalance: 'PreparingRebalance',
  completingRebalance: 'CompletingRebalance',
  stable: 'Stable',
}

export function describeGroup(state: State, groupId: string): DescribedGroup {
  const group = state.groups.byId(groupId)
  if (group === undefined)
    return {
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      groupId,
      groupState: 'Dead',
      protocolType: '',
      protocolData: '',
      members: [],
    }
  const protocolName = group.phase === 'stable' ? group.protocolName : null
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: stateNames[group.phase],
    protocolType: group.protocolType ?? '',
    protocolData: protocolName ?? '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: metadataOf(member, protocolName),
      memberAssignment: member.assignment,
    })),
  }
}

/** Groups in one of the states and of one of the types; an empty filter lets all through. Case does not matter. */
export function listGroups(state: State, states: readonly string[], types: readonly string[]): ListedGroup[] {
  const groups: ListedGroup[] = []
  if (!passes(types, 'classic')) return groups
  for (const { groupId, protocolType, phase } of state.groups.all()) {
    const groupState = stateNames[phase]
    if (passes(states, groupState))
      groups.push({ groupId, protocolType: protocolType ?? '', groupState, groupType: 'classic' })
  }
  return groups
}

function passes(filter: readonly string[], value: string): boolean {
  return filter.length === 0 || filter.some((each) => each.toLowerCase() === value.toLowerCase())
}

/** The committed offsets of the topics asked for, -1 where there is none; of all that have any when `topics` is null. */
export function readOffsets(
  state: State,
  groupId: string,
  topics: readonly { name: string; partitions: readonly number[] }[] | null,
): FetchedTopic[] {
  const stored = state.offsets.ofGroup(groupId)
  const wanted = topics ?? [...stored].map(([name, offsets]) => ({ name, partitions: [...offsets.keys()] }))
  return wanted.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((partition) => {
      const known = stored.get(name)?.get(partition)
      return {
        partition,
        offset: known?.offset ?? -1,
        leaderEpoch: known?.leaderEpoch ?? -1,
        metadata: known?.metadata ?? '',
      }
    }),
  }))
}
