import { ErrorCode } from '../../protocol/error-codes.js'
import type { Proposer } from '../ledger/proposer.js'
import type { Catalogue } from '../ledgers/catalogue.js'
import { ledgerOfGroup } from '../routing.js'
import type { JoinAnswer } from '../views/group-join.js'
import type { SyncAnswer } from '../views/groups.js'
import { type Coordinator, GroupCoordinator, type GroupCoordinatorOptions, unavailable } from './coordinator.js'
import type { DescribedGroup, FetchedTopic, ListedGroup } from './listing.js'
import type { CommitRequest, HeartbeatRequest, JoinRequest, SyncRequest } from './requests.js'

export interface RoutedCoordinatorOptions extends Omit<GroupCoordinatorOptions, 'proposer'> {
  /** All ledgers, by their numbers. */
  proposers: readonly Proposer[]
  catalogue: Catalogue
}

/** The coordinator of all groups where these are spread over several ledgers: of each ledger's groups there is one. */
export class RoutedCoordinator implements Coordinator {
  readonly #proposers: readonly Proposer[]
  readonly #catalogue: Catalogue
  readonly #coordinators: readonly GroupCoordinator[]

  constructor(options: RoutedCoordinatorOptions) {
    this.#proposers = options.proposers
    this.#catalogue = options.catalogue
    this.#coordinators = options.proposers.map((proposer) => {
      const log = options.log.child({ ledger: options.proposers.indexOf(proposer) })
      return new GroupCoordinator({ ...options, proposer, log })
    })
  }

  sought(groupId: string): void {
    this.#of(groupId).sought(groupId)
  }

  join(request: JoinRequest, signal: AbortSignal): Promise<JoinAnswer> {
    return this.#of(request.groupId).join(request, signal)
  }

  sync(request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> {
    return this.#of(request.groupId).sync(request, signal)
  }

  heartbeat(request: HeartbeatRequest): Promise<ErrorCode> {
    return this.#of(request.groupId).heartbeat(request)
  }

  leave(
    groupId: string,
    members: readonly { memberId: string; groupInstanceId: string | null }[],
  ): Promise<{ errorCode: ErrorCode; memberErrorCodes: ErrorCode[] }> {
    return this.#of(groupId).leave(groupId, members)
  }

  async commitOffsets(request: CommitRequest): Promise<ErrorCode[][]> {
    const number = this.#ledgerOf(request.groupId)
    const after = (this.#proposers[number] as Proposer).state.position
    const act = () => this.#of(request.groupId).commitOffsets(request, after)
    const behind = this.#catalogue.behind(number)
    const isReady = () => this.#isReady(request)
    if (!behind.isAwaited && isReady()) return act()
    try {
      return await behind.pass(isReady, act)
    } catch (error) {
      const errorCode = unavailable(error)
      return request.topics.map((topic) => topic.partitions.map(() => errorCode))
    }
  }

  fetchOffsets(
    groupId: string,
    topics: readonly { name: string; partitions: readonly number[] }[] | null,
  ): Promise<{ errorCode: ErrorCode; topics: FetchedTopic[] }> {
    return this.#of(groupId).fetchOffsets(groupId, topics)
  }

  async describe(groupIds: readonly string[]): Promise<DescribedGroup[]> {
    return this.#inOrder(groupIds, (coordinator, own) => coordinator.describe(own))
  }

  async list(
    states: readonly string[],
    types: readonly string[],
  ): Promise<{ errorCode: ErrorCode; groups: ListedGroup[] }> {
    const lists = await Promise.all(this.#coordinators.map((coordinator) => coordinator.list(states, types)))
    const failed = lists.find(({ errorCode }) => errorCode !== ErrorCode.NONE)
    return failed ?? { errorCode: ErrorCode.NONE, groups: lists.flatMap(({ groups }) => groups) }
  }

  async delete(groupIds: readonly string[]): Promise<ErrorCode[]> {
    return this.#inOrder(groupIds, (coordinator, own) => coordinator.delete(own))
  }

  close(): void {
    for (const coordinator of this.#coordinators) coordinator.close()
  }

  #ledgerOf(groupId: string): number {
    return ledgerOfGroup(groupId, this.#coordinators.length)
  }

  #of(groupId: string): GroupCoordinator {
    return this.#coordinators[this.#ledgerOf(groupId)] as GroupCoordinator
  }

  /** Whether the group's ledger can take the commit; otherwise it must be told of a topic first. */
  #isReady({ groupId, topics }: CommitRequest): boolean {
    const number = this.#ledgerOf(groupId)
    if (!this.#catalogue.isAhead(number)) return true
    const known = (this.#proposers[number] as Proposer).state.topics
    return topics.every(({ name, id, partitions }) => {
      const topic = known.byName(name)
      const isSame = topic !== undefined && (id === null || topic.id === id)
      return isSame && partitions.every(({ partition }) => partition < topic.partitionCount)
    })
  }

  /** Asks each coordinator for its groups, and gives the answers as the groups were given. */
  async #inOrder<Answer>(
    groupIds: readonly string[],
    ask: (coordinator: GroupCoordinator, own: readonly string[]) => Promise<Answer[]>,
  ): Promise<Answer[]> {
    const answers = new Map<string, Answer>()
    const asked = this.#coordinators.map(async (coordinator, number) => {
      const own = [...new Set(groupIds)].filter((groupId) => this.#ledgerOf(groupId) === number)
      if (own.length === 0) return
      for (const [i, answer] of (await ask(coordinator, own)).entries()) answers.set(own[i] as string, answer)
    })
    await Promise.all(asked)
    return groupIds.map((groupId) => answers.get(groupId) as Answer)
  }
}
