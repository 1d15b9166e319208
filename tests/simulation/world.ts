import { messageOf } from '../../src/base/errors.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { TopicId, TopicOutcome } from '../../src/state/cluster.js'
import type { GroupLimits } from '../../src/state/groups/coordinator.js'
import { segmentsPrefix } from '../../src/state/ledger/keys.js'
import type { ClusterSettings, OpenCluster } from '../../src/state/open-cluster.js'
import { homeLedger } from '../../src/state/routing.js'
import { memoryStore } from '../../src/state/store/memory.js'
import { runAdministrator } from './administrators.js'
import { Archive } from './archive.js'
import { audit } from './audit.js'
import { Connection, ConnectionLost } from './connection.js'
import { runConsumer } from './consumers.js'
import { type DisturbanceOptions, Disturbances } from './disturbances.js'
import { type Faults, noFaults } from './faulty-store.js'
import { runMember, sessionTimeoutMs } from './group-members.js'
import { GroupWitness } from './group-witness.js'
import { History } from './history.js'
import { SimulatedInstance } from './instance.js'
import { KeyedTopic, keyedConfigs, readKeyed, writeKeyed } from './keyed-clients.js'
import { holdLease, LeaseWitness } from './lease-holders.js'
import { nearStore } from './near-store.js'
import { runObserver } from './observers.js'
import { runProducer } from './producers.js'
import { VirtualClock } from './virtual-clock.js'

export interface WorldOptions extends DisturbanceOptions {
  instances: [min: number, max: number]
  ledgers: [min: number, max: number]
  /** How long clients work, virtual milliseconds. */
  ms: number
  faults: Faults
  producers: number
  /** Mean time between two batches of a producer, milliseconds. */
  producerPauseMs: number
  /** Producers give up a request, and its connection, after so long. */
  requestTimeoutMs: number
  /** One producer waits for so long, for whoever sleeps. */
  patientMs: number | undefined
  /** Share of records of up to `recordBytesMax`; the others are small. */
  largeRecords: number
  recordBytesMax: number
  consumers: number
  /** So many of them take their time, and fall far behind. */
  slowConsumers: number
  /** Who ask how far logs and groups are. */
  observers: number
  groups: number
  membersPerGroup: number
  administrators: number
  leases: number
  /** Compacted topics. */
  keyedTopics: number
  /** Whether a member that is well must never be expelled: nothing holds up its heartbeats for long. */
  checksExpulsions: boolean
  settings: Partial<ClusterSettings>
  /** Compaction, retention and collection are at work, all times in small. */
  hasUpkeep: boolean
  /** Much of the store can be read at once. */
  isStoreNear: boolean
  /** No acknowledged batch waits for longer, from request to answer. */
  answerMsMax: number | undefined
}

export interface WorldResult {
  /** What went wrong, in words that begin with the checker's name; empty if nothing did. */
  violations: string[]
  sent: number
  acknowledged: number
  entries: number
  starts: number
  /** Instances that ended because they had slept for too long. */
  fenced: number
  /** Objects that were deleted. */
  deleted: number
  /** Records that log compaction took out. */
  cleaned: number
  segments: number
  /** Appends that were refused because too much waited. */
  refusals: number
  /** The longest time from a request of a producer to its answer. */
  slowestMs: number
  leaseAcquisitions: number
  generations: number
  virtualMs: number
}

/** After the faults end, everything is to come to rest within this time. */
const restMs = 90_000
/** Of what comes when all is at rest there is little: so often at most it is caught up with. */
const confirmationsMax = 5
/** Ranges that a reader asks the store for at once. */
const rangesAhead = 16
/** Parts that a committer has under way at most. */
const partsPendingMax = 32
const startMs = 60_000
/** Everything that upkeep has to do is done in this time, also what it left alone because it had failed. */
const quietMs = 12 * 60_000
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
  readonly #ledgers: number
  readonly #bucket: Archive
  readonly #folds: Map<number, string>[]
  readonly #slots: SimulatedInstance[] = []
  readonly #settings: ClusterSettings
  readonly #producerIds = new Map<number, string>()
  readonly #groups: GroupWitness[] = []
  readonly #leases: LeaseWitness[] = []
  readonly #disturbances: Disturbances
  /** Writers of each ledger whose wall clock went back. */
  readonly #setBack: Set<number>[]
  #faultsAreOn = true
  #isOver = false
  #faultsEndMs = Number.POSITIVE_INFINITY
  #starts = 0
  #fenced = 0
  #refusals = 0
  #slowestMs = 0
  #active = new Set<string>()

  constructor(options: WorldOptions, seed: number) {
    this.options = options
    this.#random = seededRandom(seed)
    const random = this.#random
    const [fewest, most] = options.ledgers
    this.#ledgers = fewest === most ? fewest : fewest + Math.floor(random.next() * (most - fewest + 1))
    this.#bucket = new Archive(this.history, () => this.now(), this.#ledgers)
    this.#folds = Array.from({ length: this.#ledgers }, () => new Map())
    this.#setBack = Array.from({ length: this.#ledgers }, () => new Set())
    this.stablePartitions = this.#ledgers + Math.floor(random.next() * 3)
    this.#settings = {
      flushIntervalMs: choices(random, [0, 0, 20, 100]),
      flushBytes: choices(random, [2_000, 2 ** 20]),
      maxInflightEntries: choices(random, [1, 2, 4, 8]),
      waitingBytesMax: 2 ** 24,
      pollIntervalMs: choices(random, [20, 50, 100]),
      snapshotEntries: choices(random, [10, 50, 200]),
      cacheBytes: choices(random, [2_000, 100_000, 2 ** 22]),
      ...(options.hasUpkeep ? upkeepSettings(random) : {}),
      ...options.settings,
      ledgers: this.#ledgers,
    }
    this.#disturbances = new Disturbances({
      options,
      clock: this.clock,
      random,
      bucket: this.#bucket,
      slots: this.#slots,
      areOn: () => this.#faultsAreOn,
      isOver: () => this.#isOver,
      look: (instance) => this.#checkBounds(instance),
    })
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
    this.#disturbances.start()
    await this.clock.run(begin + ms)
    this.#faultsAreOn = false
    this.#faultsEndMs = this.now()
    this.isEnding = true
    await this.clock.run(begin + ms + restMs, () => this.#active.size === 0)
    if (this.#active.size > 0) this.history.violation('liveness', `${[...this.#active].join(', ')} never came to rest`)
    const virtualMs = this.now()
    if (this.options.hasUpkeep) await this.clock.run(virtualMs + quietMs)
    this.#isOver = true
    const { entries, cleaned } = await this.#check(this.options.hasUpkeep ? virtualMs : undefined)
    return {
      violations: this.history.violations,
      sent: this.history.sent.size,
      acknowledged: this.history.acknowledged,
      entries,
      starts: this.#starts,
      fenced: this.#fenced,
      cleaned,
      deleted: this.#bucket.removals.length,
      segments: [...this.#bucket.all.keys()].filter((key) => key.startsWith(segmentsPrefix)).length,
      refusals: this.#refusals + this.#slots.reduce((sum, { appending }) => sum + appending.refusals, 0),
      slowestMs: this.#slowestMs,
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

  /** A producer was acknowledged what it had asked at some time. */
  noteAnswer(askedAtMs: number, { process }: SimulatedInstance, who: string): void {
    const ms = this.now() - askedAtMs
    // Who asked somebody that slept itself waited for that.
    if (process.pausedUntilMs > askedAtMs) return
    this.#slowestMs = Math.max(this.#slowestMs, ms)
    if (ms > (this.options.answerMsMax ?? Number.POSITIVE_INFINITY))
      this.history.violation('takeover', `${who} was answered after ${Math.round(ms)} ms`)
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
    const far = memoryStore(this.#bucket)
    const store = this.options.isStoreNear ? nearStore(far, this.#bucket) : far
    const puts = new Set<string>()
    const asked = (key: string) => this.#bucket.asked(key, puts)
    this.#starts++
    const instance = new SimulatedInstance({
      world: this.clock,
      history: this.history,
      folds: this.#folds,
      // Where a request costs money, larger blocks are read.
      store: slot % 2 === 0 ? store : { ...store, kind: 'paid' },
      faults: () => this.#faults(),
      onPut: asked,
      isCutOff: () => this.#faultsAreOn && this.#disturbances.cutOffUntilMs(slot) > this.now(),
      seed: Math.floor(random.next() * 2 ** 32),
      skewMs: Math.floor((random.next() - 0.5) * 10_000),
      settings: this.#settings,
      // Without a delay of the group's own, those who come to an empty one wait for each other at their instances.
      groupLimits: { ...groupLimits, groupInitialRebalanceDelayMs: slot % 2 === 0 ? 1_000 : 0 },
      retentionCheckMs: this.options.hasUpkeep ? 4_000 : undefined,
      onFenced: () => this.#fencedOff(instance),
      onEnd: () => {
        this.#checkBounds(instance)
        this.#noteClock(instance)
        this.#refusals += instance.appending.refusals
        instance.appending.refusals = 0
        this.clock.after(random.next() * 2_000, () => this.#start(slot))
      },
    })
    this.#slots[slot] = instance
    this.#disturbances.begun(instance)
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
      deletedAtMs: Number.POSITIVE_INFINITY,
      deletedBelow: new Map(),
      hasRetention: false,
    })
  }

  #startClients(): void {
    const { producers, consumers, slowConsumers, observers, groups, membersPerGroup, administrators, leases } =
      this.options
    const run = (name: string, client: Promise<void>) => {
      this.#active.add(name)
      client
        .catch((error: unknown) => this.history.violation('client', `${name}: ${String(error)}`))
        .finally(() => this.#active.delete(name))
    }
    const random = () => seededRandom(this.#seed())
    for (let i = 0; i < producers; i++) run(`p${i}`, runProducer(this, `p${i}`, random(), i % 3 !== 2, i === 0))
    for (let i = 0; i < consumers; i++) run(`c${i}`, runConsumer(this, `c${i}`, random(), i < slowConsumers))
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
    for (let i = 0; i < this.options.keyedTopics; i++) {
      const topic = new KeyedTopic(`keyed${i}`, keyedConfigs[i % keyedConfigs.length] ?? {})
      for (const who of ['a', 'b']) run(`k${i}${who}`, writeKeyed(this, topic, `k${i}${who}`, random()))
      run(`r${i}`, readKeyed(this, topic, `r${i}`, random()))
    }
    for (let i = 0; i < leases; i++) this.#leases.push(new LeaseWitness(`lease${i}`, this.history))
    for (const lease of this.#leases)
      for (const instance of this.#slots) void holdLease(this, instance, lease, random())
  }

  /** It ended because it had not known the tail for too long: once the store is well again, it must have slept. */
  #fencedOff({ process }: SimulatedInstance): void {
    this.#fenced++
    const graceMs = this.#settings.trimGraceMs ?? 0
    if (this.now() - Math.max(process.pausedUntilMs, this.#faultsEndMs) > graceMs)
      this.history.violation('fence', 'an instance gave up that neither slept nor was cut off')
  }

  #noteClock({ process, cluster }: SimulatedInstance): void {
    if (process.hasBeenSetBack && cluster !== undefined)
      for (const [ledger, { writer }] of cluster.proposers.entries()) this.#setBack[ledger]?.add(writer)
  }

  /** What an instance holds and asks for at once is bounded by its settings, not by its clients. */
  #checkBounds({ cluster, use, appending }: SimulatedInstance): void {
    const { cacheBytes, maxInflightEntries, waitingBytesMax, flushBytes } = this.#settings
    // One object of each ledger may be larger than the cache.
    if (cluster !== undefined && cluster.cachedBytes() > cacheBytes + this.#ledgers * 2 ** 21)
      this.history.violation('bounds', `${cluster.cachedBytes()} bytes are cached`)
    const batchBytesMax = 3 * this.options.recordBytesMax + 1_000
    const appendingMax = waitingBytesMax + this.#ledgers * partsPendingMax * (flushBytes + batchBytesMax)
    if (appending.bytesMax > appendingMax)
      this.history.violation('bounds', `${appending.bytesMax} bytes were being appended at once`)
    const readers = this.options.consumers * rangesAhead
    if (use.underWayMax > this.#ledgers * (maxInflightEntries + 64 + 6 * this.#starts) + readers)
      this.history.violation('bounds', `${use.underWayMax} requests to the store at once`)
  }

  /** All instances catch up with all that was acknowledged. */
  async #confirm(clusters: readonly OpenCluster[]): Promise<void> {
    let isConfirmed = false
    Promise.all(clusters.map((cluster) => cluster.barrier())).then(
      () => {
        isConfirmed = true
      },
      (error: unknown) => this.history.violation('liveness', `a barrier failed in the end: ${String(error)}`),
    )
    await this.clock.run(this.now() + restMs, () => isConfirmed)
    if (!isConfirmed) this.history.violation('liveness', 'the tail could not be confirmed in the end')
  }

  async #check(quietSinceMs: number | undefined): Promise<{ entries: number; cleaned: number }> {
    const areUp = () => this.#slots.every((instance) => instance.isServing)
    await this.clock.run(this.now() + restMs, areUp)
    if (!areUp()) this.history.violation('liveness', 'an instance did not come up in the end')
    const clusters = this.#slots.flatMap(({ cluster, isServing }) => (isServing && cluster ? [cluster] : []))
    // What the dead had on its way may come to stand behind what all have confirmed: it must reach the other ledgers too.
    const isBehind = () =>
      clusters.some((cluster) => cluster.ledgerSequence(homeLedger) < (this.#bucket.tails[homeLedger] ?? 0))
    let rounds = 0
    do await this.#confirm(clusters)
    while (isBehind() && ++rounds < confirmationsMax)
    for (const instance of this.#slots) this.#noteClock(instance)
    const options = {
      bucket: this.#bucket,
      history: this.history,
      clusters,
      folds: this.#folds,
      setBack: this.#setBack,
      quietSinceMs,
    }
    return audit(options).catch((error: unknown) => {
      this.history.violation('audit', `what is stored cannot be read: ${messageOf(error)}`)
      return { entries: 0, cleaned: 0 }
    })
  }

  #seed(): number {
    return Math.floor(this.#random.next() * 2 ** 32)
  }
}

const groupLimits: Omit<GroupLimits, 'groupInitialRebalanceDelayMs'> = {
  groupMinSessionTimeoutMs: sessionTimeoutMs,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupMaxSize: 1_000,
  offsetsRetentionMinutes: 10_080,
  offsetMetadataBytesMax: 4_096,
}

/** Segments of some records, and minutes for what takes hours: a process that slept for 6 s is fenced. */
const upkeepSettings = (random: Random): Partial<ClusterSettings> => ({
  segmentBytes: choices(random, [2_000, 20_000, 2 ** 20]),
  compactIntervalMs: choices(random, [500, 2_000]),
  compactAgeMs: choices(random, [3_000, 15_000]),
  // Not always is there room for all keys.
  dedupeBufferBytes: choices(random, [200, 2 ** 16]),
  trimGraceMs: 24_000,
  snapshotEntries: choices(random, [10, 50]),
})
