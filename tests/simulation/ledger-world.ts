import { silentLog } from '../../src/base/log.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { BatchPosition, maxTimestampOf, recordCountOf } from '../../src/protocol/records/batch.js'
import { decodeRecords, encodeBatch } from '../../src/protocol/records/record.js'
import type { AppendOutcome } from '../../src/state/cluster.js'
import { pack } from '../../src/state/ledger/entry.js'
import { Ledger, type LedgerSettings } from '../../src/state/ledger/ledger.js'
import { noLedgerObserver } from '../../src/state/ledger/observer.js'
import { LogBytes } from '../../src/state/log/log-bytes.js'
import { readBatches } from '../../src/state/log/reader.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import { toSnapshot } from '../../src/state/views/state.js'
import { type Faults, faultyStore } from './faulty-store.js'
import { SimulatedProcess } from './process.js'
import { VirtualClock } from './virtual-clock.js'

export interface WorldOptions {
  seed: number
  instances: number
  /** Producers; each writes one batch at a time, at whichever instance is up. Every other one is idempotent. */
  producers: number
  partitions: number
  /** How long producers write, virtual milliseconds. */
  ms: number
  faults: Faults
  /** Chance of a crash and of a pause, per instance and virtual second. */
  crashes: number
  pauses: number
  settings?: Partial<LedgerSettings>
}

export interface WorldResult {
  /** What went wrong, in words; empty if nothing did. */
  violations: string[]
  acknowledged: number
  sent: number
  entries: number
  crashes: number
}

interface Instance {
  process: SimulatedProcess
  ledger: Ledger | undefined
}

/** A value that a producer sent, and where it was told that it landed. */
interface Sent {
  value: string
  producer: number
  partition: number
  order: number
  offset: number | undefined
}

const topicId = '0123456789abcdef0123456789abcdef'
/** A producer gives up on an answer after this time, and asks another instance if it may. */
const requestMs = 3_000
/** After the faults end, everything is to come to rest within this time. */
const restMs = 60_000

/** Runs several instances on one faulty store, kills and pauses them, and then checks what they acknowledged. */
export async function runWorld(options: WorldOptions): Promise<WorldResult> {
  const world = new World(options)
  return world.run()
}

class World {
  readonly #options: WorldOptions
  readonly #clock = new VirtualClock()
  readonly #random: Random
  readonly #bucket = new MemoryBucket()
  readonly #instances: Instance[]
  readonly #sent: Sent[] = []
  #faultsAreOn = true
  #crashes = 0
  #active = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#instances = Array.from({ length: options.instances }, () => this.#start())
  }

  async run(): Promise<WorldResult> {
    const { ms, producers } = this.#options
    const clock = this.#clock
    await clock.run(30_000, () => this.#instances.some((instance) => instance.ledger !== undefined))
    await this.#createTopic()
    const begin = clock.monotonic()
    this.#active = producers
    for (let producer = 0; producer < producers; producer++)
      void this.#produce(producer, begin + ms).finally(() => this.#active--)
    this.#disturb()
    await clock.run(begin + ms)
    this.#faultsAreOn = false
    await clock.run(begin + ms + restMs, () => this.#active === 0)
    return this.#check()
  }

  #faults(): Faults {
    return this.#faultsAreOn ? this.#options.faults : { ...this.#options.faults, failures: 0, outliers: 0 }
  }

  #start(): Instance {
    const process = new SimulatedProcess(this.#clock)
    const instance: Instance = { process, ledger: undefined }
    const open = async () => {
      while (process.isAlive && instance.ledger === undefined)
        try {
          instance.ledger = await this.#open(process)
        } catch {
          await process.clock.sleep(100)
        }
    }
    void open()
    return instance
  }

  #open(process: SimulatedProcess): Promise<Ledger> {
    const random = seededRandom(Math.floor(this.#random.next() * 2 ** 32))
    const store = faultyStore(memoryStore(this.#bucket), {
      process,
      world: this.#clock,
      random,
      faults: () => this.#faults(),
    })
    return openLedger({ store, clock: process.clock, random, settings: this.#options.settings ?? {} })
  }

  async #createTopic(): Promise<void> {
    const command = { name: 'topic', id: topicId, partitionCount: this.#options.partitions, configs: [] }
    let isCreated = false
    const create = async () => {
      while (!isCreated) {
        const ledger = this.#instances.find((instance) => instance.ledger !== undefined)?.ledger
        await ledger?.propose('createTopic', command)
        isCreated = true
      }
    }
    void create()
    await this.#clock.run(this.#clock.monotonic() + 60_000, () => isCreated)
  }

  /** Every second, perhaps crashes or pauses somebody. A crashed instance starts anew a little later. */
  #disturb(): void {
    const { crashes, pauses } = this.#options
    this.#clock.after(1_000, () => {
      if (!this.#faultsAreOn) return
      for (let slot = 0; slot < this.#instances.length; slot++) {
        const instance = this.#instances[slot] as Instance
        if (this.#random.next() < pauses) instance.process.pause(this.#random.next() * 4_000)
        if (this.#random.next() >= crashes || !instance.process.isAlive) continue
        this.#crashes++
        instance.process.crash()
        this.#clock.after(this.#random.next() * 2_000, () => {
          this.#instances[slot] = this.#start()
        })
      }
      this.#disturb()
    })
  }

  async #produce(producer: number, untilMs: number): Promise<void> {
    const isIdempotent = producer % 2 === 0
    const sequences = new Map<number, number>()
    let producerId = -1
    for (let order = 0; this.#clock.monotonic() < untilMs; order++) {
      if (isIdempotent && producerId < 0)
        producerId = (await this.#request((ledger) => ledger.propose('allocateProducerId', {})))?.producerId ?? -1
      if (isIdempotent && producerId < 0) continue
      const partition = Math.floor(this.#random.next() * this.#options.partitions)
      const sent: Sent = { value: `${producer}-${order}`, producer, partition, order, offset: undefined }
      this.#sent.push(sent)
      const baseSequence = sequences.get(partition) ?? 0
      const batch = encodeBatch({
        records: [{ timestampMs: this.#clock.now(), key: null, value: Buffer.from(sent.value), headers: [] }],
        ...(isIdempotent ? { producerId, producerEpoch: 0, baseSequence } : {}),
      })
      const outcome = await this.#append(batch, partition, isIdempotent)
      sequences.set(partition, baseSequence + 1)
      if (outcome?.errorCode === ErrorCode.NONE) sent.offset = outcome.baseOffset
      await this.#clock.sleep(this.#random.next() * 20)
    }
  }

  /** An idempotent producer asks until it is answered; another one once. */
  async #append(batch: Buffer, partition: number, isIdempotent: boolean): Promise<AppendOutcome | undefined> {
    const numbers = {
      recordCount: recordCountOf(batch),
      maxTimestampMs: maxTimestampOf(batch),
      producerId: Number(batch.readBigInt64BE(BatchPosition.producerId)),
      producerEpoch: batch.readInt16BE(BatchPosition.producerEpoch),
      baseSequence: batch.readInt32BE(BatchPosition.baseSequence),
    }
    for (;;) {
      const outcomes = await this.#request((ledger) => ledger.append([{ topicId, partition, batch }], [numbers]))
      if (outcomes !== undefined || !isIdempotent) return outcomes?.[0]
    }
  }

  /** Asks some instance that is up; undefined if it did not answer in time. */
  #request<T>(ask: (ledger: Ledger) => Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(requestMs, () => resolve(undefined))
      const instance = this.#instances[Math.floor(this.#random.next() * this.#instances.length)] as Instance
      const { process, ledger } = instance
      if (ledger === undefined || !process.isAlive) return
      process.deliver(() =>
        ask(ledger).then(
          (answer) =>
            process.deliver(() => {
              timer.cancel()
              resolve(answer)
            }),
          () => undefined,
        ),
      )
    })
  }

  async #check(): Promise<WorldResult> {
    const violations: string[] = []
    if (this.#active > 0) violations.push(`${this.#active} producers never came to rest`)
    const checker = new SimulatedProcess(this.#clock)
    const store = memoryStore(this.#bucket)
    const random = seededRandom(1)
    const truth = await this.#await(openLedger({ store, clock: checker.clock, random, settings: {} }))
    if (truth === undefined) return this.#result([...violations, 'the ledger cannot be opened in the end'], 0)
    await this.#compareFolds(truth, violations)
    const sentBy = new Map(this.#sent.map((sent) => [sent.value, sent]))
    const found = new Map<string, { partition: number; offset: number }>()
    const bytes = new LogBytes({ store, ledger: 0, cacheBytes: 2 ** 20, observer: { lookedUp() {} } })
    for (const log of truth.state.partitions.ofTopic(topicId)) {
      const read = await this.#await(readBatches(bytes, log, 0, { bytesMax: 2 ** 30 }))
      const lastOrder = new Map<number, number>()
      let next = 0
      for (const record of recordsOf(Buffer.concat(read?.batches ?? []))) {
        if (record.offset !== next) violations.push(`offset ${record.offset} of ${log.partition} follows ${next - 1}`)
        next = record.offset + 1
        if (found.has(record.value)) violations.push(`${record.value} is there twice`)
        found.set(record.value, { partition: log.partition, offset: record.offset })
        // What was given up without an answer may still land later, as in Kafka: its place promises nothing.
        const sent = sentBy.get(record.value)
        if (sent === undefined) violations.push(`${record.value} was never sent`)
        if (sent?.offset === undefined) continue
        if ((lastOrder.get(sent.producer) ?? -1) > sent.order) violations.push(`${record.value} is out of order`)
        lastOrder.set(sent.producer, sent.order)
      }
      if (next !== log.endOffset) violations.push(`partition ${log.partition} ends at ${next}, not at ${log.endOffset}`)
    }
    for (const sent of this.#sent) {
      if (sent.offset === undefined) continue
      const place = found.get(sent.value)
      if (place === undefined) violations.push(`${sent.value} was acknowledged and is lost`)
      else if (place.partition !== sent.partition || place.offset !== sent.offset)
        violations.push(`${sent.value} was acknowledged at ${sent.offset} and stands at ${place.offset}`)
    }
    return this.#result(violations, truth.sequence)
  }

  /** Every instance that is up must hold the same state, byte by byte. */
  async #compareFolds(truth: Ledger, violations: string[]): Promise<void> {
    const ledgers = this.#instances.flatMap(({ ledger, process }) => (ledger && process.isAlive ? [ledger] : []))
    // What was given up without an answer may still land: wait until nothing does any more.
    for (let sequence = -1; sequence !== truth.sequence; ) {
      sequence = truth.sequence
      await this.#clock.run(this.#clock.monotonic() + 5_000)
      await this.#await(Promise.all([truth, ...ledgers].map((ledger) => ledger.barrier())))
    }
    const expected = pack(toSnapshot(truth.state))
    for (const ledger of ledgers)
      if (!pack(toSnapshot(ledger.state)).equals(expected))
        violations.push(`writer ${ledger.writer} holds another state at ${ledger.sequence} than ${truth.sequence}`)
  }

  #result(violations: string[], entries: number): WorldResult {
    const acknowledged = this.#sent.filter((sent) => sent.offset !== undefined).length
    return { violations, acknowledged, sent: this.#sent.length, entries, crashes: this.#crashes }
  }

  /** Runs the world until the promise settles; undefined if it does not in time, or rejects. */
  async #await<T>(promise: Promise<T>): Promise<T | undefined> {
    let isSettled = false
    let value: T | undefined
    const settle = (result?: T) => {
      isSettled = true
      value = result
    }
    promise.then(settle, () => settle())
    await this.#clock.run(this.#clock.monotonic() + restMs, () => isSettled)
    return value
  }
}

function openLedger(options: {
  store: Parameters<typeof Ledger.open>[0]['store']
  clock: Parameters<typeof Ledger.open>[0]['clock']
  random: Random
  settings: Partial<LedgerSettings>
}): Promise<Ledger> {
  return Ledger.open({
    ...options,
    log: silentLog(),
    observer: noLedgerObserver,
    settings: {
      flushIntervalMs: 0,
      flushBytes: 2 ** 20,
      maxInflightEntries: 4,
      waitingBytesMax: 2 ** 26,
      pollIntervalMs: 100,
      snapshotEntries: 50,
      ...options.settings,
    },
    keepBytes() {},
    onFatal(error) {
      throw error
    },
  })
}

function* recordsOf(batches: Buffer): Generator<{ offset: number; value: string }> {
  for (let at = 0; at < batches.length; ) {
    const size = batches.readInt32BE(at + BatchPosition.batchLength) + BatchPosition.partitionLeaderEpoch
    for (const record of decodeRecords(batches.subarray(at, at + size)))
      yield { offset: record.offset, value: record.value?.toString() ?? '' }
    at += size
  }
}
