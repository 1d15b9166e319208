import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { RequestContext } from '../../src/server/handler.js'
import { type Connection, ConnectionLost } from './connection.js'
import type { GroupWitness, MemberState } from './group-witness.js'
import type { World } from './world.js'

const requestTimeoutMs = 3_000
export const sessionTimeoutMs = 6_000
const rebalanceTimeoutMs = 8_000
const heartbeatMs = 1_000
/**
 * A member that was told so lately that all is well is not expelled, where nothing holds up its heartbeats; once its
 * instance had so much time to tell the others that it has come. One that has just been started needs longer: its lane
 * has to be found first.
 */
const wellMs = 1_500
const heardMs = 500
const youngMs = 2_500

/** Consumers of one group come and go, one after the other, until the world ends. */
export async function runMember(
  world: World,
  options: { name: string; groupId: string; groupInstanceId: string | null; random: Random; witness: GroupWitness },
): Promise<void> {
  const { random, witness } = options
  do {
    await world.clock.sleep(random.next() * 3_000)
    await new Member(world, options).run(world.now() + 5_000 + random.next() * 30_000)
    // However bad it was: in the end a group must come about.
  } while (!world.isEnding || witness.newest === 0)
}

class Member {
  readonly #world: World
  readonly #random: Random
  readonly #groupId: string
  readonly #name: string
  readonly #witness: GroupWitness
  readonly #state: MemberState
  readonly #positions = new Map<number, number>()
  #connection: Connection | undefined
  #mustJoin = true
  /** It has an assignment, and does not know yet where to begin. */
  #mustFetch = false
  /** Its last heartbeat that was answered without an error, and the first of those in a row on this connection. */
  #wellAtMs = Number.NEGATIVE_INFINITY
  #wellSinceMs = Number.POSITIVE_INFINITY

  constructor(
    world: World,
    options: { name: string; groupId: string; groupInstanceId: string | null; random: Random; witness: GroupWitness },
  ) {
    this.#world = world
    this.#random = options.random
    this.#groupId = options.groupId
    this.#name = options.name
    this.#witness = options.witness
    const { groupInstanceId } = options
    this.#state = { memberId: '', groupInstanceId, generationId: -1, partitions: undefined }
  }

  async run(untilMs: number): Promise<void> {
    const world = this.#world
    this.#witness.members.add(this.#state)
    for (;;) {
      if (world.isEnding ? this.#witness.hasSettled() : world.now() >= untilMs) break
      try {
        if (this.#mustJoin) await this.#join()
        else if (this.#mustFetch) await this.#fetchOffsets()
        else await this.#work()
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        await world.clock.sleep(50 + this.#random.next() * 200)
      }
    }
    // The others look at all who are there, so nobody goes before all have settled.
    if (world.isEnding) return
    this.#witness.members.delete(this.#state)
    if (this.#random.next() < 0.6) await this.#leave()
    this.#connection?.close()
  }

  async #leave(): Promise<void> {
    const { memberId, groupInstanceId } = this.#state
    if (groupInstanceId !== null) return
    try {
      await this.#call(({ groups }) => groups.leave(this.#groupId, [{ memberId, groupInstanceId }]))
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }

  #call<Answer>(ask: (context: RequestContext) => Answer | Promise<Answer>, timeoutMs = requestTimeoutMs) {
    if (this.#connection?.isOpen !== true) {
      this.#connection = this.#world.connect(this.#random)
      this.#wellSinceMs = Number.POSITIVE_INFINITY
    }
    if (this.#connection === undefined) throw new ConnectionLost('nobody is up')
    return this.#connection.call(ask, timeoutMs)
  }

  async #join(): Promise<void> {
    const state = this.#state
    state.partitions = undefined
    const answer = await this.#call(
      (context) =>
        context.groups.join(
          {
            groupId: this.#groupId,
            memberId: state.memberId,
            groupInstanceId: state.groupInstanceId,
            clientId: this.#name,
            clientHost: '/127.0.0.1',
            sessionTimeoutMs,
            rebalanceTimeoutMs,
            protocolType: 'consumer',
            protocols: [{ name: 'range', metadata: Buffer.from(this.#name) }],
            requiresKnownMemberId: true,
            supportsSkippingAssignment: false,
          },
          context.signal,
        ),
      rebalanceTimeoutMs + 5_000,
    )
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      state.memberId = answer.memberId
      return
    }
    if (answer.errorCode !== ErrorCode.NONE) return this.#refused(answer.errorCode)
    state.memberId = answer.memberId
    state.generationId = answer.generationId
    this.#witness.joined(answer.generationId, answer.leader, answer.memberId)
    await this.#sync(answer.members.map(({ memberId }) => memberId))
  }

  /** A leader gives the partitions to the members in turn. */
  async #sync(memberIds: readonly string[]): Promise<void> {
    const state = this.#state
    const shares = memberIds.map((): number[] => [])
    for (let partition = 0; partition < this.#world.stablePartitions; partition++)
      shares[partition % Math.max(shares.length, 1)]?.push(partition)
    const { generationId, memberId, groupInstanceId } = state
    const answer = await this.#call(
      (context) =>
        context.groups.sync(
          {
            groupId: this.#groupId,
            memberId,
            groupInstanceId,
            generationId,
            protocolType: 'consumer',
            protocolName: 'range',
            assignments: memberIds.map((id, i) => ({
              memberId: id,
              assignment: Buffer.from(JSON.stringify(shares[i])),
            })),
          },
          context.signal,
        ),
      rebalanceTimeoutMs + 5_000,
    )
    if (answer.errorCode !== ErrorCode.NONE) return this.#refused(answer.errorCode)
    state.partitions = answer.assignment.length === 0 ? [] : JSON.parse(answer.assignment.toString())
    this.#witness.assigned(state)
    this.#mustJoin = false
    this.#mustFetch = true
    await this.#fetchOffsets()
  }

  async #fetchOffsets(): Promise<void> {
    const partitions = this.#state.partitions ?? []
    const atLeast = partitions.map((partition) => this.#witness.acknowledged(partition))
    const { errorCode, topics } = await this.#call(({ groups }) =>
      groups.fetchOffsets(this.#groupId, [{ name: this.#world.stableTopicName, partitions }]),
    )
    if (errorCode !== ErrorCode.NONE) {
      this.#mustJoin = true
      return
    }
    this.#mustFetch = false
    this.#positions.clear()
    partitions.forEach((partition, i) => {
      const found = topics[0]?.partitions[i]
      const offset = Math.max(found?.offset ?? -1, 0)
      this.#witness.fetched(partition, offset, atLeast[i] ?? 0)
      this.#positions.set(partition, offset)
    })
  }

  async #work(): Promise<void> {
    await this.#world.clock.sleep(heartbeatMs * (0.5 + this.#random.next()))
    const { memberId, groupInstanceId, generationId } = this.#state
    const askedAtMs = this.#world.now()
    const groupId = this.#groupId
    const errorCode = await this.#call(({ groups }) =>
      groups.heartbeat({ groupId, memberId, groupInstanceId, generationId }),
    )
    if (errorCode === ErrorCode.NONE) {
      this.#wellAtMs = askedAtMs
      const grownUpMs = (this.#connection?.instance.servingSinceMs ?? 0) + youngMs
      this.#wellSinceMs = Math.min(this.#wellSinceMs, Math.max(askedAtMs, grownUpMs))
      this.#witness.alive(generationId, askedAtMs)
      if (this.#random.next() < 0.7) await this.#commit()
    } else {
      // As Kafka's consumer does before it gives its partitions away.
      if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS && this.#random.next() < 0.5) await this.#commit()
      this.#refused(errorCode)
    }
  }

  async #commit(): Promise<void> {
    const { memberId, groupInstanceId, generationId } = this.#state
    const offsets = [...this.#positions].map(([partition, offset]) => ({
      partition,
      offset: offset + 1 + Math.floor(this.#random.next() * 5),
      leaderEpoch: 0,
      metadata: '',
    }))
    if (offsets.length === 0) return
    const newestBefore = this.#witness.newest
    let codes: number[]
    try {
      const [answered] = await this.#call(({ groups }) =>
        groups.commitOffsets({
          groupId: this.#groupId,
          memberId,
          groupInstanceId,
          generationId,
          topics: [{ name: this.#world.stableTopicName, id: null, partitions: offsets }],
        }),
      )
      codes = answered ?? []
    } catch (error) {
      for (const { partition, offset } of offsets) this.#witness.uncertain(partition, offset)
      throw error
    }
    offsets.forEach(({ partition, offset }, i) => {
      if (codes[i] === ErrorCode.NONE) {
        this.#witness.committed(partition, offset, generationId, newestBefore)
        this.#positions.set(partition, offset)
      } else if (codes[i] === ErrorCode.COORDINATOR_NOT_AVAILABLE) this.#witness.uncertain(partition, offset)
    })
    // Asked again with the next commit: another instance took one that this one did not know of.
    const refusal = codes.find((code) => code !== ErrorCode.NONE && code !== ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    if (refusal !== undefined) this.#refused(refusal)
  }

  #refused(errorCode: number): void {
    const state = this.#state
    switch (errorCode) {
      case ErrorCode.COORDINATOR_NOT_AVAILABLE:
        this.#connection?.close()
        return
      case ErrorCode.UNKNOWN_MEMBER_ID:
      case ErrorCode.FENCED_INSTANCE_ID: {
        const silentMs = this.#world.now() - this.#wellAtMs
        const wellForMs = this.#wellAtMs - this.#wellSinceMs
        if (this.#world.options.checksExpulsions && !this.#mustJoin && silentMs < wellMs && wellForMs > heardMs)
          this.#witness.expelled(state.memberId, silentMs)
        state.memberId = ''
        break
      }
      case ErrorCode.REBALANCE_IN_PROGRESS:
      case ErrorCode.ILLEGAL_GENERATION:
        break
      default:
        this.#world.history.violation('group error', `${this.#name} was answered ${errorCode}`)
    }
    this.#mustJoin = true
    state.partitions = undefined
  }
}
