import { messageOf } from '../../src/base/errors.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { TopicId, TopicOutcome } from '../../src/state/cluster.js'
import type { GroupLimits } from '../../src/state/groups/coordinator.js'
import type { ClusterSettings } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import { runAdministrator } from './administrators.js'
import { audit } from './audit.js'
import { Connection, ConnectionLost } from './connection.js'
import { runConsumer } from './consumers.js'
import { type Faults, noFaults } from './faulty-store.js'
import { runMember, sessionTimeoutMs } from './group-members.js'
import { GroupWitness } from './group-witness.js'
import { History } from './history.js'
import { SimulatedInstance } from './instance.js'
import { holdLease, LeaseWitness } from './lease-holders.js'
import { runObserver } from './observers.js'
import { runProducer } from './producers.js'
import { VirtualClock } from './virtual-clock.js'

export interface WorldOptions {
  instances: [min: number, max: number]
  /** How long clients work, virtual milliseconds. */
  ms: number
  faults: Faults
  /** Chance of each per instance and virtual second. */
  crashes: number
  pauses: number
  closes: number
  /** Of being cut off from the store for some seconds. */
  cutOffs: number
  pauseMsMax: number
  producers: number
  /** Mean time between two batches of a producer, milliseconds. */
  producerPauseMs: number
  /** Share of records of up to 60 KB. */
  largeRecords: number
  consumers: number
  /** Who ask how far logs and groups are. */
  observers: number
  groups: number
  membersPerGroup: number
  administrators: number
  leases: number
  /** Whether a member that is well must never be expelled: nothing holds up its heartbeats for long. */
  checksExpulsions: boolean
  settings: Partial<ClusterSettings>
}

export interface WorldResult {
  /** What went wrong, in words that begin with the checker's name; empty if nothing did. */
  violations: string[]
  sent: number
  acknowledged: number
  entries: number
  starts: number
  leaseAcquisitions: number
  generations: number
  virtualMs: number
}

/** After the faults end, everything is to come to rest within this time. */
const restMs = 90_000
const startMs = 60_000
const stableTopicName = 'stable'
const choices = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T

/** Runs several instances on one faulty store, with clients, crashes and pauses, and then checks what all of them saw. */
export async function runWorld(options: WorldOptions, seed: number): Promise<WorldResult> {
  return new World(options, seed).run()
}

export class World {
  readonly options: WorldOptions
  readonly clock = new VirtualClock()
  readonly history = new History(() => this.clock.monotonic())
  readonly stableTopicName = stableTopicName
  readonly stablePartitions: number
  isEnding = false
  readonly #random: Random
  readonly #bucket = new MemoryBucket()
  readonly #folds = new Map<number, string>()
  readonly #slots: SimulatedInstance[] = []
  readonly #settings: ClusterSettings
  readonly #producerIds = new Map<number, string>()
  readonly #groups: GroupWitness[] = []
  readonly #leases: LeaseWitness[] = []
  readonly #cutOffUntilMs = new Map<number, number>()
  #faultsAreOn = true
  #starts = 0
  #active = new Set<string>()

  constructor(options: WorldOptions, seed: number) {
    this.options = options
    this.#random = seededRandom(seed)
    const random = this.#random
    this.stablePartitions = 1 + Math.floor(random.next() * 3)
    this.#settings = {
      flushIntervalMs: choices(random, [0, 0, 20, 100]),
      flushBytes: choices(random, [2_000, 2 ** 20]),
      maxInflightEntries: choices(random, [1, 2, 4, 8]),
      waitingBytesMax: 2 ** 24,
      pollIntervalMs: choices(random, [20, 50, 100]),
      snapshotEntries: choices(random, [10, 50, 200]),
      cacheBytes: choices(random, [2_000, 100_000, 2 ** 22]),
      ...options.settings,
    }
    const [min, max] = options.instances
    const count = min + Math.floor(random.next() * (max - min + 1))
    for (let slot = 0; slot < count; slot++) this.#start(slot)
  }

  now(): number {
    return this.clock.monotonic()
  }

  wallClock(): number {
    return this.clock.now()
  }

  async run(): Promise<WorldResult> {
    const { ms } = this.options
    await this.clock.run(startMs, () => this.#slots.some((instance) => instance.isServing))
    await this.#createStableTopic()
    const begin = this.now()
    this.#startClients()
    this.#disturb()
    await this.clock.run(begin + ms)
    this.#faultsAreOn = false
    this.isEnding = true
    await this.clock.run(begin + ms + restMs, () => this.#active.size === 0)
    if (this.#active.size > 0) this.history.violation('liveness', `${[...this.#active].join(', ')} never came to rest`)
    const virtualMs = this.now()
    const entries = await this.#check()
    return {
      violations: this.history.violations,
      sent: this.history.sent.size,
      acknowledged: this.history.acknowledged,
      entries,
      starts: this.#starts,
      leaseAcquisitions: this.#leases.reduce((sum, lease) => sum + lease.acquisitions, 0),
      generations: this.#groups.reduce((sum, group) => sum + group.newest, 0),
      virtualMs,
    }
  }

  /** Connects to some instance; undefined if none is up. */
  connect(random: Random): Connection | undefined {
    const serving = this.#slots.filter((instance) => instance.isServing)
    const instance = serving[Math.floor(random.next() * serving.length)]
    if (instance === undefined) return undefined
    return new Connection({ instance, world: this.clock, random, history: this.history })
  }

  mustConnect(random: Random): Connection {
    const connection = this.connect(random)
    if (connection === undefined) throw new ConnectionLost('nobody is up')
    return connection
  }

  noteProducerId(producerId: number, who: string): void {
    const known = this.#producerIds.get(producerId)
    if (known !== undefined) this.history.violation('producer ids', `${who} was given ${producerId}, as was ${known}`)
    this.#producerIds.set(producerId, who)
  }

  /** Whether records from `offset` on may have been deleted. */
  mayBeDeleted(topicId: TopicId, partition: number, offset: number): boolean {
    const topic = this.history.topic(topicId)
    if (topic === undefined || topic.hasRetention || topic.deletionAskedAtMs < Number.POSITIVE_INFINITY) return true
    return (topic.deletedBelow.get(partition) ?? 0) > offset
  }

  #faults(): Faults {
    return this.#faultsAreOn ? this.options.faults : { ...this.options.faults, ...noFaults }
  }

  #start(slot: number): void {
    const random = this.#random
    const store = memoryStore(this.#bucket)
    this.#starts++
    const instance = new SimulatedInstance({
      world: this.clock,
      history: this.history,
      folds: this.#folds,
      // Where a request costs money, larger blocks are read.
      store: slot % 2 === 0 ? store : { ...store, kind: 'paid' },
      faults: () => this.#faults(),
      isCutOff: () => this.#faultsAreOn && (this.#cutOffUntilMs.get(slot) ?? 0) > this.now(),
      seed: Math.floor(random.next() * 2 ** 32),
      skewMs: Math.floor((random.next() - 0.5) * 10_000),
      settings: this.#settings,
      groupLimits,
      onEnd: () => {
        this.#checkBounds(instance)
        this.clock.after(random.next() * 2_000, () => this.#start(slot))
      },
    })
    this.#slots[slot] = instance
    for (const lease of this.#leases) void holdLease(this, instance, lease, seededRandom(this.#seed()))
  }

  async #createStableTopic(): Promise<void> {
    const random = seededRandom(this.#seed())
    let created: TopicOutcome | undefined
    const create = async () => {
      while (created?.topic === undefined)
        try {
          created = await this.mustConnect(random).call<TopicOutcome>(
            ({ cluster }) =>
              cluster.topics.create({
                name: stableTopicName,
                partitionCount: this.stablePartitions,
                configs: new Map([['retention.ms', '-1']]),
              }),
            5_000,
          )
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error
          await this.clock.sleep(100)
        }
    }
    void create()
    await this.clock.run(this.now() + startMs, () => created !== undefined)
    const { topic, errorCode } = created ?? {}
    if (topic === undefined) throw new Error(`the first topic could not be created: ${errorCode ?? ErrorCode.NONE}`)
    this.history.topics.push({
      id: topic.id,
      name: topic.name,
      partitionCount: topic.partitionCount,
      createdAtMs: this.now(),
      deletionAskedAtMs: Number.POSITIVE_INFINITY,
      deletedBelow: new Map(),
      hasRetention: false,
    })
  }

  #startClients(): void {
    const { producers, consumers, observers, groups, membersPerGroup, administrators, leases } = this.options
    const run = (name: string, client: Promise<void>) => {
      this.#active.add(name)
      client
        .catch((error: unknown) => this.history.violation('client', `${name}: ${String(error)}`))
        .finally(() => this.#active.delete(name))
    }
    const random = () => seededRandom(this.#seed())
    for (let i = 0; i < producers; i++) run(`p${i}`, runProducer(this, `p${i}`, random(), i % 3 !== 2))
    for (let i = 0; i < consumers; i++) run(`c${i}`, runConsumer(this, `c${i}`, random()))
    for (let i = 0; i < administrators; i++) run(`admin${i}`, runAdministrator(this, `flux${i}`, random()))
    for (let i = 0; i < groups; i++) {
      const groupId = `group${i}`
      const witness = new GroupWitness({
        history: this.history,
        now: () => this.now(),
        groupId,
        partitionCount: () => this.stablePartitions,
      })
      this.#groups.push(witness)
      for (let j = 0; j < membersPerGroup; j++) {
        const name = `${groupId}-m${j}`
        const groupInstanceId = j === 0 && i % 2 === 1 ? 'static' : null
        run(name, runMember(this, { name, groupId, groupInstanceId, random: random(), witness }))
      }
    }
    for (let i = 0; i < observers; i++) run(`o${i}`, runObserver(this, `o${i}`, random(), this.#groups))
    for (let i = 0; i < leases; i++) this.#leases.push(new LeaseWitness(`lease${i}`, this.history))
    for (const lease of this.#leases)
      for (const instance of this.#slots) void holdLease(this, instance, lease, random())
  }

  /** Every second, perhaps crashes, closes, pauses or cuts off somebody. */
  #disturb(): void {
    const { crashes, pauses, closes, cutOffs, pauseMsMax } = this.options
    const random = this.#random
    this.clock.after(500 + random.next() * 1_000, () => {
      if (!this.#faultsAreOn) return
      this.#slots.forEach((instance, slot) => {
        if (!instance.process.isAlive) return
        if (random.next() < pauses) instance.process.pause(random.next() * pauseMsMax)
        if (random.next() < cutOffs) this.#cutOffUntilMs.set(slot, this.now() + random.next() * 6_000)
        if (random.next() < crashes) instance.crash()
        else if (random.next() < closes && !instance.process.isPaused) void instance.close()
        this.#checkBounds(instance)
      })
      this.#disturb()
    })
  }

  /** What an instance holds and asks for at once is bounded by its settings, not by its clients. */
  #checkBounds({ cluster, use }: SimulatedInstance): void {
    const { cacheBytes, maxInflightEntries } = this.#settings
    // One object may be larger than the cache.
    if (cluster !== undefined && cluster.cachedBytes() > cacheBytes + 2 ** 21)
      this.history.violation('bounds', `${cluster.cachedBytes()} bytes are cached`)
    const readers = this.options.consumers
    if (use.underWayMax > maxInflightEntries + 64 + 6 * this.#starts + readers)
      this.history.violation('bounds', `${use.underWayMax} requests to the store at once`)
  }

  async #check(): Promise<number> {
    const areUp = () => this.#slots.every((instance) => instance.isServing)
    await this.clock.run(this.now() + restMs, areUp)
    if (!areUp()) this.history.violation('liveness', 'an instance did not come up in the end')
    const clusters = this.#slots.flatMap(({ cluster, isServing }) => (isServing && cluster ? [cluster] : []))
    let isConfirmed = false
    Promise.all(clusters.map((cluster) => cluster.barrier())).then(
      () => {
        isConfirmed = true
      },
      (error: unknown) => this.history.violation('liveness', `a barrier failed in the end: ${String(error)}`),
    )
    await this.clock.run(this.now() + restMs, () => isConfirmed)
    if (!isConfirmed) this.history.violation('liveness', 'the tail could not be confirmed in the end')
    const options = {
      bucket: this.#bucket,
      history: this.history,
      clusters,
      folds: this.#folds,
      mayBeDeleted: (topicId: TopicId, partition: number, offset: number) =>
        this.mayBeDeleted(topicId, partition, offset),
    }
    return audit(options).catch((error: unknown) => {
      this.history.violation('audit', `what is stored cannot be read: ${messageOf(error)}`)
      return 0
    })
  }

  #seed(): number {
    return Math.floor(this.#random.next() * 2 ** 32)
  }
}

const groupLimits: GroupLimits = {
  groupMinSessionTimeoutMs: sessionTimeoutMs,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 1_000,
  groupMaxSize: 1_000,
  offsetsRetentionMinutes: 10_080,
  offsetMetadataBytesMax: 4_096,
}
