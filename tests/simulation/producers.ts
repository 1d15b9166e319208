import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { ProduceResponse } from '../../src/protocol/messages/produce.js'
import { encodeBatch } from '../../src/protocol/records/record.js'
import { produce } from '../../src/server/handlers/produce.js'
import type { Connection } from './connection.js'
import type { KnownTopic, SentRecord } from './history.js'
import { Wake } from './wake.js'
import type { World } from './world.js'

/** The first version with topic ids. */
const produceVersion = 13
/** As `retry.backoff.ms`. */
const retryBackoffMs = 100
/** Batches of one partition under way at most, as `max.in.flight.requests.per.connection`. */
const inFlightMax = 5

/** Writes until the world ends, one session after the other; some sessions end in a crash of the client. */
export async function runProducer(
  world: World,
  name: string,
  random: Random,
  isIdempotent: boolean,
  isPatient: boolean,
): Promise<void> {
  for (let session = 0; !world.isEnding; session++) {
    const untilMs = world.now() + 2_000 + random.next() * 10_000
    const crashes = random.next() < 0.3
    await new ProducerSession(world, `${name}.${session}`, random, isIdempotent, isPatient).run(untilMs, crashes)
  }
}

interface Batch {
  records: SentRecord[]
  bytes: Buffer
  baseSequence: number
  isInFlight: boolean
  isRetry: boolean
  /** It was refused: it is not sent again before. */
  notBeforeMs: number
}

/** The batches of one partition that are not acknowledged, in order, and what numbers the next one gets. */
interface Partition {
  topic: KnownTopic
  partition: number
  nextSequence: number
  batches: Batch[]
}

/** One producer from its start to its end, behaving as Kafka's own client does. */
class ProducerSession {
  readonly #world: World
  readonly #name: string
  readonly #random: Random
  readonly #isIdempotent: boolean
  readonly #partitions = new Map<string, Partition>()
  readonly #wake: Wake
  #connection: Connection | undefined
  readonly #timeoutMs: number
  #producerId = -1

  constructor(world: World, name: string, random: Random, isIdempotent: boolean, isPatient: boolean) {
    this.#world = world
    this.#name = name
    this.#random = random
    this.#isIdempotent = isIdempotent
    this.#wake = new Wake(world.clock)
    const { patientMs, requestTimeoutMs } = world.options
    this.#timeoutMs = isPatient ? (patientMs ?? requestTimeoutMs) : requestTimeoutMs
  }

  async run(untilMs: number, crashes: boolean): Promise<void> {
    const world = this.#world
    for (;;) {
      const isOver = world.isEnding || world.now() >= untilMs
      const isDone = [...this.#partitions.values()].every(({ batches }) => batches.length === 0)
      if (isOver && (isDone || (crashes && !world.isEnding))) break
      if (!isOver) this.#make()
      await this.#send()
      await this.#wake.wait(5 + this.#random.next() * 2 * world.options.producerPauseMs)
    }
    this.#connection?.close()
  }

  /** Makes a batch for some partition, unless enough wait there. */
  #make(): void {
    const { history } = this.#world
    const topics = history.livingTopics()
    const topic = topics[Math.floor(this.#random.next() * topics.length)]
    if (topic === undefined) return
    const partition = Math.floor(this.#random.next() * topic.partitionCount)
    const key = `${topic.id}-${partition}`
    const log = this.#partitions.get(key) ?? { topic, partition, nextSequence: 0, batches: [] }
    this.#partitions.set(key, log)
    if (log.batches.length >= inFlightMax || (this.#isIdempotent && this.#producerId < 0)) return
    const baseSequence = log.nextSequence
    const count = 1 + Math.floor(this.#random.next() * 3)
    const records: SentRecord[] = []
    const timestampMs = this.#world.wallClock()
    for (let i = 0; i < count; i++) {
      const order = baseSequence + i
      const value = `${this.#name}/${history.topics.indexOf(topic)}/${partition}/${order}`
      records.push({
        value,
        topicId: topic.id,
        partition,
        producer: this.#name,
        isIdempotent: this.#isIdempotent,
        order,
        timestampMs,
        offset: undefined,
      })
    }
    for (const record of records) history.sent.set(record.value, record)
    log.nextSequence += count
    const bytes = encodeBatch({
      records: records.map(({ value }) => ({
        timestampMs,
        key: null,
        value: Buffer.from(value.padEnd(this.#valueBytes(), '.')),
        headers: [],
      })),
      ...(this.#isIdempotent ? { producerId: this.#producerId, producerEpoch: 0, baseSequence } : {}),
    })
    log.batches.push({ records, bytes, baseSequence, isInFlight: false, isRetry: false, notBeforeMs: 0 })
  }

  #valueBytes(): number {
    const { largeRecords, recordBytesMax } = this.#world.options
    return this.#random.next() < largeRecords ? Math.floor(this.#random.next() * recordBytesMax) : 0
  }

  async #send(): Promise<void> {
    if (this.#connection?.isOpen !== true) this.#connection = this.#world.connect(this.#random)
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#isIdempotent && this.#producerId < 0) {
      try {
        const { producerId } = await connection.call(({ cluster }) => cluster.producers.init(-1, -1), this.#timeoutMs)
        this.#world.noteProducerId(producerId, this.#name)
        this.#producerId = producerId
      } catch {
        return
      }
    }
    for (let sendable = this.#sendable(); sendable.length > 0; sendable = this.#sendable())
      this.#request(connection, sendable)
    // Sometimes it goes elsewhere, as after a change of metadata.
    if (this.#random.next() < 0.01) connection.close()
  }

  /** At most one batch of each partition. */
  #sendable(): { log: Partition; batch: Batch }[] {
    const sendable: { log: Partition; batch: Batch }[] = []
    for (const log of this.#partitions.values()) {
      const index = log.batches.findIndex(({ isInFlight }) => !isInFlight)
      const batch = log.batches[index]
      // A batch that is sent again goes alone, so that no later one overtakes it.
      if (
        batch === undefined ||
        batch.notBeforeMs > this.#world.now() ||
        (batch.isRetry && index > 0) ||
        log.batches.some((other) => other.isRetry && other.isInFlight)
      )
        continue
      sendable.push({ log, batch })
    }
    return sendable
  }

  #request(connection: Connection, sendable: { log: Partition; batch: Batch }[]): void {
    const askedAtMs = this.#world.now()
    for (const { batch } of sendable) batch.isInFlight = true
    const request = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topicData: sendable.map(({ log, batch }) => ({
        name: '',
        topicId: log.topic.id,
        partitionData: [{ index: log.partition, records: batch.bytes }],
      })),
    }
    connection.send<ProduceResponse>(produce, request, produceVersion, this.#timeoutMs).then(
      ({ responses }) => {
        sendable.forEach(({ log, batch }, i) => {
          const answer = responses[i]?.partitionResponses[0]
          this.#answered(log, batch, askedAtMs, answer?.errorCode ?? -1, Number(answer?.baseOffset ?? -1), connection)
        })
        this.#wake.now()
      },
      () => {
        for (const { log, batch } of sendable) this.#failed(log, batch)
        this.#wake.now()
      },
    )
  }

  #answered(
    log: Partition,
    batch: Batch,
    askedAtMs: number,
    errorCode: number,
    baseOffset: number,
    connection: Connection,
  ): void {
    const { history } = this.#world
    const who = `${this.#name} at writer ${connection.instance.cluster?.proposer.writer ?? 0}`
    switch (errorCode) {
      case ErrorCode.NONE:
        this.#world.noteAnswer(askedAtMs, connection.instance, who)
        history.toldThere(log.topic.id, askedAtMs, who)
        batch.records.forEach((record, i) => void history.acknowledge(record, baseOffset + i, who))
        remove(log, batch)
        return
      case ErrorCode.UNKNOWN_TOPIC_ID:
      case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        history.toldUnknown(log.topic.id, askedAtMs, who)
        log.batches.length = 0
        return
      case ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
        if (log.batches[0] === batch)
          history.violation('sequence refused', `${who}: ${batch.records[0]?.value} is the next, and is refused`)
        this.#failed(log, batch)
        return
      case ErrorCode.REQUEST_TIMED_OUT:
      case ErrorCode.KAFKA_STORAGE_ERROR:
        batch.notBeforeMs = this.#world.now() + retryBackoffMs
        this.#failed(log, batch)
        return
      default:
        history.violation('produce error', `${who} was answered ${errorCode}`)
        remove(log, batch)
    }
  }

  /** An idempotent producer sends it again, until it is answered; another one gives it up. */
  #failed(log: Partition, batch: Batch): void {
    batch.isInFlight = false
    batch.isRetry = true
    if (!this.#isIdempotent) remove(log, batch)
  }
}

function remove(log: Partition, batch: Batch): void {
  const index = log.batches.indexOf(batch)
  if (index >= 0) log.batches.splice(index, 1)
}
