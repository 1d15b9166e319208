import type { Random } from '../../src/base/random.js'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { FetchResponse } from '../../src/protocol/messages/fetch.js'
import type { ListOffsetsResponse } from '../../src/protocol/messages/list-offsets.js'
import { BatchPosition } from '../../src/protocol/records/batch.js'
import { decodeRecords } from '../../src/protocol/records/record.js'
import { fetch } from '../../src/server/handlers/fetch.js'
import { listOffsets } from '../../src/server/handlers/list-offsets.js'
import { type Connection, ConnectionLost } from './connection.js'
import type { KnownTopic } from './history.js'
import type { World } from './world.js'

const fetchVersion = 13
const listOffsetsVersion = 7
const requestTimeoutMs = 3_000
const earliest = -2
const latest = -1

/**
 * Reads one partition after the other: from the beginning, at the tail, or again from somewhere. When the world ends
 * it reads on until it has seen all that was acknowledged.
 */
export async function runConsumer(world: World, name: string, random: Random, isSlow: boolean): Promise<void> {
  while (!world.isEnding) {
    const topics = world.history.livingTopics()
    const topic = topics[Math.floor(random.next() * topics.length)]
    if (topic === undefined) {
      await world.clock.sleep(100)
      continue
    }
    const partition = Math.floor(random.next() * topic.partitionCount)
    const reader = new PartitionReader(world, name, random, topic, partition, isSlow)
    await reader.run(world.now() + random.next() * (isSlow ? 30_000 : 8_000))
  }
}

class PartitionReader {
  readonly #world: World
  readonly #name: string
  readonly #random: Random
  readonly #topic: KnownTopic
  readonly #partition: number
  /** It reads a little, and then works on it: the log is compacted and cut off under it. */
  readonly #isSlow: boolean
  #connection: Connection | undefined
  #position = 0
  #isGone = false

  constructor(world: World, name: string, random: Random, topic: KnownTopic, partition: number, isSlow: boolean) {
    this.#world = world
    this.#name = name
    this.#random = random
    this.#topic = topic
    this.#partition = partition
    this.#isSlow = isSlow
  }

  async run(untilMs: number): Promise<void> {
    const { history } = this.#world
    const { id } = this.#topic
    let isPlaced = this.#random.next() < 0.5
    while (!this.#isGone) {
      const isOver = this.#world.isEnding || this.#world.now() >= untilMs
      const isBehind = this.#position < history.acknowledgedEnd(id, this.#partition)
      if (isOver && !(this.#world.isEnding && isBehind && history.topic(id)?.deletionAskedAtMs === Infinity)) break
      try {
        if (!isPlaced) isPlaced = await this.#seek(this.#random.next() < 0.5 ? latest : earliest)
        else await this.#poll()
        if (!this.#world.isEnding) await this.#wander()
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        await this.#world.clock.sleep(20 + this.#random.next() * 100)
      }
    }
    this.#connection?.close()
  }

  #readsLittle(): boolean {
    return (this.#isSlow || this.#random.next() < 0.3) && !this.#world.isEnding
  }

  /** Goes to another instance now and then, or back. */
  async #wander(): Promise<void> {
    if (this.#isSlow) await this.#world.clock.sleep(this.#random.next() * 1_000)
    const chance = this.#random.next()
    if (chance < 0.1) this.#connection?.close()
    else if (chance < 0.15) this.#position = Math.floor(this.#position * this.#random.next())
    else if (chance < 0.2) await this.#seek(latest)
  }

  #connected(): Connection {
    if (this.#connection?.isOpen !== true) this.#connection = this.#world.connect(this.#random)
    if (this.#connection === undefined) throw new ConnectionLost('nobody is up')
    return this.#connection
  }

  async #seek(place: number): Promise<boolean> {
    const { history } = this.#world
    const { name, id } = this.#topic
    const request = {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name, partitions: [{ partitionIndex: this.#partition, currentLeaderEpoch: -1, timestamp: place }] }],
      timeoutMs: 0,
    }
    const askedAtMs = this.#world.now()
    const endBefore = history.acknowledgedEnd(id, this.#partition)
    const startBefore = history.logStart(id, this.#partition)
    const { topics } = await this.#connected().send<ListOffsetsResponse>(
      listOffsets,
      request,
      listOffsetsVersion,
      requestTimeoutMs,
    )
    const answer = topics[0]?.partitions[0]
    const errorCode = answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    // Another topic of the same name may have answered.
    if (history.topic(id)?.deletionAskedAtMs !== Number.POSITIVE_INFINITY) {
      this.#isGone = true
      return false
    }
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) history.toldUnknown(id, askedAtMs, this.#name)
    if (errorCode !== ErrorCode.NONE) return false
    const offset = Number(answer?.offset)
    if (place === latest && offset < endBefore)
      history.violation('stale end', `${this.#where()} ends at ${offset}, though ${endBefore} was acknowledged before`)
    if (place === earliest) {
      if (offset < startBefore) history.violation('log start', `${this.#where()} starts at ${offset} again`)
      history.noteLogStart(id, this.#partition, offset)
    }
    this.#position = offset
    return true
  }

  async #poll(): Promise<void> {
    const { history } = this.#world
    const { id: topicId } = this.#topic
    const request = {
      clusterId: null,
      maxWaitMs: this.#random.next() < 0.7 ? 500 : 0,
      minBytes: 1,
      maxBytes: 2 ** 24,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: '',
          topicId,
          partitions: [
            {
              partition: this.#partition,
              currentLeaderEpoch: -1,
              fetchOffset: this.#position,
              partitionMaxBytes: this.#readsLittle() ? 1_000 : 2 ** 20,
            },
          ],
        },
      ],
    }
    const askedAtMs = this.#world.now()
    const position = this.#position
    const { responses } = await this.#connected().send<FetchResponse>(fetch, request, fetchVersion, requestTimeoutMs)
    const answer = responses[0]?.partitions[0]
    switch (answer?.errorCode) {
      case ErrorCode.NONE:
        this.#take(Buffer.concat([...(answer.records ?? [])]), Number(answer.highWatermark))
        return
      case ErrorCode.OFFSET_OUT_OF_RANGE:
        if (!this.#world.mayBeDeleted(topicId, this.#partition, position))
          history.violation('read refused', `${this.#where()} at ${position} is out of range, though it was readable`)
        await this.#seek(earliest)
        return
      case ErrorCode.UNKNOWN_TOPIC_ID:
      case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        history.toldUnknown(topicId, askedAtMs, this.#name)
        this.#isGone = true
        return
      case ErrorCode.KAFKA_STORAGE_ERROR:
        await this.#world.clock.sleep(50 + this.#random.next() * 100)
        return
      default:
        history.violation('fetch error', `${this.#where()} was answered ${answer?.errorCode}`)
    }
  }

  #take(batches: Buffer, highWatermark: number): void {
    const { history } = this.#world
    const { id } = this.#topic
    let isFirst = true
    let last = -1
    for (const record of recordsOf(batches)) {
      history.observe(id, this.#partition, record.offset, record.value, this.#name)
      if (record.offset <= last) history.violation('reorder', `${this.#where()} gave ${record.offset} after ${last}`)
      last = record.offset
      if (record.offset < this.#position) continue
      if (isFirst && batches.readBigInt64BE(BatchPosition.baseOffset) > BigInt(this.#position)) {
        // Records may have been deleted while the request waited.
        if (!this.#world.mayBeDeleted(id, this.#partition, this.#position))
          history.violation('gap', `${this.#where()} was asked for ${this.#position} and gave ${record.offset}`)
        this.#position = record.offset
      }
      isFirst = false
      if (record.offset !== this.#position && !this.#world.mayBeDeleted(id, this.#partition, this.#position))
        history.violation('gap', `${this.#where()}: ${record.offset} follows ${this.#position - 1}`)
      this.#position = record.offset + 1
    }
    if (this.#position > highWatermark && !isFirst)
      history.violation('high watermark', `${this.#where()} gave ${this.#position - 1}, beyond ${highWatermark}`)
  }

  #where(): string {
    return `${this.#topic.name}-${this.#partition} (read by ${this.#name})`
  }
}

/** The records of the batches; values without what fills them up. */
export function* recordsOf(batches: Buffer): Generator<{ offset: number; value: string }> {
  for (let at = 0; at < batches.length; ) {
    const size = batches.readInt32BE(at + BatchPosition.batchLength) + BatchPosition.partitionLeaderEpoch
    for (const record of decodeRecords(batches.subarray(at, at + size))) {
      const text = record.value?.toString('latin1') ?? ''
      yield { offset: record.offset, value: text.replace(/\.*$/, '') }
    }
    at += size
  }
}
