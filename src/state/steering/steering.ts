import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { TopicId } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'
import { homeLedger, ledgerOfGroup, ledgerOfPartition } from '../routing.js'
import type { Announcement } from '../views/instances.js'
import { writerOf, writersOfLedgers } from './placement.js'

/** An instance announces itself so often, milliseconds. */
const announceMs = 5_000
/** Who was not heard of for so long is gone: clients are not sent there any more, milliseconds. */
export const goneMs = 15_000

/** At the end of an instance so long is waited at most until all know of it, milliseconds. */
const withdrawMsMax = 2_000

/** An instance, as clients are told of it: a broker of Kafka's. */
export interface Broker {
  /** Other than any process before and after it has. */
  nodeId: number
  host: string
  port: number
  rack: string | null
}

export interface SteeringOptions {
  /** The home ledger. */
  proposer: Proposer
  /** How many ledgers there are. */
  ledgers: number
  clock: Clock
  random: Random
  log: Log
}

/**
 * Sends clients to the instance that is best for them. Instances announce themselves in the home ledger; whoever is
 * heard of is a broker, and of the brokers each ledger has its own, who lead its partitions and coordinate its groups:
 * so the writers of a ledger are few, at best one, and those who read a partition meet at one cache. It is advice:
 * every instance serves everything, and which clients believe does not matter for what they are promised.
 */
export class Steering {
  readonly #options: SteeringOptions
  readonly #stop = new AbortController()
  readonly #stopListening: () => void
  /** When each was heard of last, by the monotonic clock. */
  readonly #heardAt = new Map<number, number>()
  #address: Announcement | undefined
  #placed: { names: string; byLedger: number[][] } | undefined
  #loop: Promise<void> | undefined

  constructor(options: SteeringOptions) {
    this.#options = options
    const { proposer, clock } = options
    const { instances } = proposer.state
    // Of those who were there before this process, their clocks tell for how long they have been silent.
    for (const { writer, timeMs } of instances.all())
      this.#heardAt.set(writer, clock.monotonic() - Math.max(0, clock.now() - timeMs))
    this.#stopListening = proposer.listen({
      instanceChanged: (writer) => {
        if (proposer.state.instances.byWriter(writer) === undefined) this.#heardAt.delete(writer)
        else this.#heardAt.set(writer, clock.monotonic())
      },
    })
  }

  get nodeId(): number {
    return this.#options.proposer.writer
  }

  /** Announces this instance, and goes on doing so. */
  async begin(address: Announcement): Promise<void> {
    this.#address = address
    await this.#announce()
    this.#loop = this.#run()
  }

  /** Tells everybody that this instance is about to serve no more. */
  async withdraw(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#address = undefined
    // Nobody waits for a store that is away.
    await Promise.race([this.#leave(), this.#options.clock.sleep(withdrawMsMax)])
    this.#stopListening()
  }

  async #leave(): Promise<void> {
    const { proposer, log } = this.#options
    try {
      await this.#loop
      await proposer.propose('withdrawInstance', {})
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'clients could not be told that this instance ends')
    }
  }

  /** All whom clients are told of, by their ids; not empty as long as this instance announces itself. */
  brokers(): Broker[] {
    const { clock, proposer } = this.#options
    const since = clock.monotonic() - goneMs
    const byAddress = new Map<string, Broker>()
    const add = (nodeId: number, { host, port, rack }: Announcement) => {
      const address = `${host}:${port}`
      // Whoever came last to an address is the one who is there.
      if ((byAddress.get(address)?.nodeId ?? 0) < nodeId) byAddress.set(address, { nodeId, host, port, rack })
    }
    for (const instance of proposer.state.instances.all())
      if ((this.#heardAt.get(instance.writer) ?? Number.NEGATIVE_INFINITY) >= since) add(instance.writer, instance)
    if (this.#address !== undefined) add(this.nodeId, this.#address)
    return [...byAddress.values()].sort((a, b) => a.nodeId - b.nodeId)
  }

  /** Which of the brokers is to be the leader of a partition. */
  leaderOf(brokers: readonly Broker[], topicId: TopicId, partition: number): number | undefined {
    const { ledgers } = this.#options
    return this.#chosen(brokers, ledgerOfPartition(topicId, partition, ledgers), `${topicId}/${partition}`)
  }

  /** Which of the brokers is to be the coordinator of a group. */
  coordinatorOf(brokers: readonly Broker[], groupId: string): number | undefined {
    return this.#chosen(brokers, ledgerOfGroup(groupId, this.#options.ledgers), groupId)
  }

  /** To whom requests about topics are to go. */
  controllerOf(brokers: readonly Broker[]): number | undefined {
    return this.#chosen(brokers, homeLedger, 'controller')
  }

  #chosen(brokers: readonly Broker[], ledger: number, name: string): number | undefined {
    const live = brokers.map(({ nodeId }) => nodeId)
    if (live.length === 0) return undefined
    const names = live.join()
    if (this.#placed?.names !== names) this.#placed = { names, byLedger: writersOfLedgers(live, this.#options.ledgers) }
    return writerOf(name, this.#placed.byLedger[ledger] ?? [])
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options
    const { signal } = this.#stop
    for (;;) {
      await clock.sleep(announceMs * (0.9 + random.next() / 5), signal)
      if (signal.aborted) return
      await this.#announce()
    }
  }

  async #announce(): Promise<void> {
    const { proposer, log } = this.#options
    if (this.#address === undefined) return
    try {
      await proposer.propose('announceInstance', this.#address)
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'this instance could not be announced; it is tried again')
    }
  }
}
