import { assert } from '../../base/assert.js'
import type { Clock, Timer } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import type { Topic, TopicId, TopicOutcome, Topics, TopicToCreate } from '../cluster.js'
import type { Proposer } from '../ledger/proposer.js'
import { homeLedger } from '../routing.js'
import { catalogueChanges } from '../views/catalogue.js'
import { InTurn } from './in-turn.js'

/** Whoever changes a topic tells all ledgers; if they don't know it after about so long, milliseconds, others do so. */
const lateMs = 3_000

export interface CatalogueOptions {
  /** All ledgers, by their numbers. */
  proposers: readonly Proposer[]
  clock: Clock
  random: Random
  log: Log
}

/**
 * The topics of a cluster with several ledgers: changed in the home ledger, then carried into the others before anybody is
 * told (see `views/catalogue.ts`). Should a process die in between, what it left undone is done by any other, some
 * seconds later, or as soon as somebody needs it.
 */
export class Catalogue implements Topics {
  readonly #home: Proposer
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #carriers: readonly Carrier[]
  readonly #stopListening: () => void
  #timer: Timer | undefined
  #isClosed: boolean = false

  constructor({ proposers, clock, random, log }: CatalogueOptions) {
    this.#home = proposers[homeLedger] as Proposer
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#carriers = proposers.map((proposer, number) => new Carrier(this.#home, proposer, number, proposers.length))
    this.#stopListening = this.#home.listen({ topicChanged: () => this.#lookLater() })
    this.#lookLater()
  }

  byName(name: string): Topic | undefined {
    return this.#home.state.topics.byName(name)
  }

  byId(id: TopicId): Topic | undefined {
    return this.#home.state.topics.byId(id)
  }

  all(): Iterable<Topic> {
    return this.#home.state.topics.all()
  }

  async create({ name, partitionCount, configs }: TopicToCreate): Promise<TopicOutcome> {
    const id = this.#random.hex(16)
    const command = { name, id, partitionCount, configs: [...configs], ledgers: this.#carriers.length }
    return this.#carried(await this.#home.propose('createTopic', command))
  }

  async delete(id: TopicId): Promise<TopicOutcome> {
    return this.#carried(await this.#home.propose('deleteTopic', { id }))
  }

  async createPartitions(id: TopicId, partitionCount: number): Promise<TopicOutcome> {
    const command = { id, partitionCount, ledgers: this.#carriers.length }
    return this.#carried(await this.#home.propose('createPartitions', command))
  }

  barrier(): Promise<void> {
    return this.#home.barrier()
  }

  /** Whether a ledger lacks a change of a topic, as far as this instance knows. */
  isAhead(ledger: number): boolean {
    return this.#carrierOf(ledger).isBehind
  }

  /**
   * Resolves when all ledgers hold what this instance knows of topics now.
   * @throws UnavailableError when one of them can't be reached.
   */
  async carry(): Promise<void> {
    const { version } = this.#home.state.topics
    await Promise.all(this.#carriers.map((carrier) => carrier.reach(version)))
  }

  /** What needs topics that a ledger may not hold yet waits here for them. */
  behind(ledger: number): InTurn {
    return this.#carrierOf(ledger).behind
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#stopListening()
  }

  #carrierOf(ledger: number): Carrier {
    return this.#carriers[ledger] as Carrier
  }

  /** Whoever is told of a change finds it everywhere. */
  async #carried(outcome: TopicOutcome): Promise<TopicOutcome> {
    await this.carry()
    return outcome
  }

  /** Looks some time after a change whether it is everywhere. */
  #lookLater(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = this.#clock.after(lateMs * (0.75 + this.#random.next() / 2), () => {
      this.#timer = undefined
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    try {
      // Most often it is there, and this instance has not seen it.
      const seen = this.#carriers.map((carrier) => (carrier.isBehind ? carrier.proposer.barrier() : undefined))
      await Promise.all(seen)
      const late = this.#carriers.filter(({ isBehind }) => isBehind).map(({ number }) => number)
      if (late.length === 0 || this.#isClosed) return
      this.#log.info({ ledgers: late }, 'topics were changed by somebody who could not tell all ledgers: they are told')
      await this.carry()
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'ledgers could not be told which topics there are; it is tried again')
      this.#lookLater()
    }
  }
}

/** Carries the catalogue into one ledger; into the home ledger, which has it, without doing anything. */
class Carrier {
  readonly behind: InTurn
  readonly #home: Proposer
  readonly proposer: Proposer
  readonly number: number
  readonly #ledgers: number
  #underWay: Promise<void> | undefined

  constructor(home: Proposer, proposer: Proposer, number: number, ledgers: number) {
    this.#home = home
    this.proposer = proposer
    this.number = number
    this.#ledgers = ledgers
    this.behind = new InTurn(() => this.#settle())
  }

  get isBehind(): boolean {
    return this.proposer.state.topics.version < this.#home.state.topics.version
  }

  /** Resolves when the ledger holds that version of the catalogue, or a later one; one that this instance knows. */
  async reach(version: number): Promise<void> {
    while (this.proposer.state.topics.version < version) {
      // Together with those who want it at the same time.
      this.#underWay ??= this.#propose().finally(() => {
        this.#underWay = undefined
      })
      await this.#underWay
    }
  }

  async #propose(): Promise<void> {
    const changes = catalogueChanges(this.#home.state.topics, this.proposer.state.topics)
    const command = { ...changes, ledger: this.number, ledgers: this.#ledgers }
    const { version } = await this.proposer.propose('followCatalogue', command)
    assert(version >= changes.to, `ledger ${this.number} is at version ${version} of the catalogue, not ${changes.to}`)
  }

  /** Brings it to all that anybody was told of topics. */
  async #settle(): Promise<void> {
    await Promise.all([this.#home.barrier(), this.proposer.barrier()])
    await this.reach(this.#home.state.topics.version)
  }
}
