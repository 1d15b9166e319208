import type { Complaints } from './complaints.js'

/** How records leave a topic: never; from its start, by retention; or when a later one has their key. */
export type Cleanup = 'none' | 'retention' | 'compaction'

export interface TopicPlan {
  name: string
  partitions: number
  cleanup: Cleanup
  /** Topics with compaction: record `seq` of a producer has the key `seq % keys` of that producer. */
  keys: number
}

interface Sent {
  index: number
  isIdempotent: boolean
  /** By partition: the offset that record `seq` was acknowledged with, or one of the two below. */
  offsets: Map<number, number[]>
  /** By partition: how many records were sent, as the producer said when it ended. */
  sent: Map<number, number>
}

const unacknowledged = -1
/** Acknowledged, but the client was not told where it is (librdkafka, of a batch that was a duplicate). */
const withoutOffset = -2
const nobody = -1
/** Identities are producer × this + sequence. */
const sequencesMax = 2 ** 36

/**
 * What all clients saw of one topic: every acknowledgement, every record that any reader was given. Says at once when
 * two of them do not fit together, and at the end (`finish`) whether each promise was kept. Values are
 * `producer.partition.sequence:` and then filler, which the clients check and cut off.
 */
export class TopicHistory {
  readonly #plan: TopicPlan
  readonly #complaints: Complaints
  readonly #producers = new Map<string, Sent>()
  readonly #names: string[] = []
  /** By partition and offset: who is there. */
  readonly #there: number[][]
  /** By reader and partition: the last offset it was given, and the first of its current pass. */
  readonly #positions = new Map<string, { pass: number; first: number; last: number }>()
  acknowledgedCount = 0
  readCount = 0
  /** Records of plain producers that are there more than once, which is their right. */
  repeatedCount = 0

  constructor(plan: TopicPlan, complaints: Complaints) {
    this.#plan = plan
    this.#complaints = complaints
    this.#there = Array.from({ length: plan.partitions }, () => [])
  }

  addProducer(name: string, isIdempotent: boolean): void {
    this.#producers.set(name, { index: this.#names.length, isIdempotent, offsets: new Map(), sent: new Map() })
    this.#names.push(name)
  }

  /** The broker acknowledged a record; `offset` is negative if it did not say where it is. */
  acknowledged(name: string, partition: number, sequence: number, offset: number): void {
    const producer = this.#producer(name)
    const offsets = producer.offsets.get(partition) ?? []
    producer.offsets.set(partition, offsets)
    while (offsets.length <= sequence) offsets.push(unacknowledged)
    offsets[sequence] = offset >= 0 ? offset : withoutOffset
    this.acknowledgedCount++
    if (offset >= 0) this.#claim(partition, offset, producer.index * sequencesMax + sequence, `${name} (acknowledged)`)
  }

  /** The producer has ended: so many records were sent to the partition, whether acknowledged or not. */
  sent(name: string, partition: number, count: number): void {
    this.#producer(name).sent.set(partition, count)
  }

  /** Somebody was given a record. Gives whether it can be one of ours. */
  seen(reader: string, partition: number, offset: number, text: string): boolean {
    this.readCount++
    const id = this.#identify(partition, text)
    if (id === undefined) {
      const at = this.#place(partition, offset)
      this.#complaints.add('invented', `${at}: ${reader} was given ${JSON.stringify(text.slice(0, 60))}`)
      return false
    }
    this.#claim(partition, offset, id, reader)
    return true
  }

  /**
   * A reader was given a record. Each of its passes over a partition begins at the log's start, goes in order and, where
   * nothing is removed, leaves nothing out.
   */
  read(reader: string, pass: number, partition: number, offset: number, text: string): void {
    if (!this.seen(reader, partition, offset, text)) return
    const at = this.#place(partition, offset)
    const key = `${reader} ${partition}`
    const position = this.#positions.get(key)
    if (position?.pass !== pass) {
      if (this.#plan.cleanup === 'none' && offset !== 0)
        this.#complaints.add('gap', `${at}: ${reader} began there though nothing was removed before`)
      if (position !== undefined && offset < position.first)
        this.#complaints.add('log start', `${at}: ${reader} began there, and at ${position.first} the pass before`)
      this.#positions.set(key, { pass, first: offset, last: offset })
      return
    }
    if (offset <= position.last) this.#complaints.add('not monotonic', `${at}: ${reader} had ${position.last} before`)
    else if (offset !== position.last + 1 && this.#plan.cleanup === 'none')
      this.#complaints.add('gap', `${at}: ${reader} had ${position.last} before`)
    position.last = offset
  }

  /** The last offset plus one that the reader was given of the partition. */
  positionOf(reader: string, partition: number): number {
    return (this.#positions.get(`${reader} ${partition}`)?.last ?? -1) + 1
  }

  /** By partition: the highest offset that was acknowledged, plus one. */
  acknowledgedEnds(): number[] {
    const ends = new Array<number>(this.#plan.partitions).fill(0)
    for (const { offsets } of this.#producers.values())
      for (const [partition, acknowledged] of offsets)
        ends[partition] = acknowledged.reduce((end, offset) => Math.max(end, offset + 1), ends[partition] ?? 0)
    return ends
  }

  /**
   * Compares what was promised with what a last reading of the whole log gave: by partition the `earliest` offset, as it
   * was afterwards, the `latest`, and the offset and text of each record, in order.
   */
  finish(earliest: readonly number[], latest: readonly number[], log: readonly [number, string][][]): void {
    this.repeatedCount = 0
    for (let partition = 0; partition < this.#plan.partitions; partition++) {
      const end = latest[partition] ?? 0
      const start = Math.min(earliest[partition] ?? 0, end)
      // Where records are removed, some may have gone while they were read.
      const records = (log[partition] ?? []).filter(([offset]) => offset >= start)
      if (this.#plan.cleanup === 'none' && start !== 0)
        this.#complaints.add('log start', `${this.#place(partition, start)}: nothing was to be removed`)
      this.#dense(partition, start, end, records)
      this.#eachOnce(partition, start, end, records)
    }
  }

  #dense(partition: number, start: number, end: number, records: readonly [number, string][]): void {
    let expected = start
    for (const [offset] of records) {
      if (offset !== expected && this.#plan.cleanup !== 'compaction')
        this.#complaints.add('gap', `${this.#place(partition, offset)}: expected ${expected} next`)
      expected = offset + 1
    }
    if (expected !== end && this.#plan.cleanup !== 'compaction')
      this.#complaints.add('gap', `${this.#place(partition, expected)}: the log is said to end at ${end}`)
  }

  #eachOnce(partition: number, start: number, end: number, records: readonly [number, string][]): void {
    const places = new Map<number, number>()
    const lasts = new Map<number, number>()
    for (const [offset, text] of records) {
      const id = this.#identify(partition, text)
      if (id === undefined) continue // `read` has said so
      const at = this.#place(partition, offset)
      const index = Math.floor(id / sequencesMax)
      const producer = this.#producer(this.#names[index] ?? '')
      const sequence = id % sequencesMax
      const first = places.get(id)
      const last = lasts.get(index) ?? -1
      if (first !== undefined && producer.isIdempotent)
        this.#complaints.add('duplicated', `${at}: ${this.#nameOf(id)} again, it is at ${first}`)
      else if (first !== undefined) this.repeatedCount++
      else if (sequence < last) this.#complaints.add('reordered', `${at}: ${this.#nameOf(id)} after sequence ${last}`)
      if (first === undefined) places.set(id, offset)
      lasts.set(index, Math.max(last, sequence))
      if (sequence >= (producer.sent.get(partition) ?? Number.POSITIVE_INFINITY))
        this.#complaints.add('invented', `${at}: ${this.#nameOf(id)} was never sent`)
    }
    this.#forgotten(partition, start, end, new Set(records.map(([offset]) => offset)))
    for (const [name, producer] of this.#producers) this.#nothingLost(name, producer, partition, start, places)
  }

  /** What any reader was given once stays, unless it was to be removed. */
  #forgotten(partition: number, start: number, end: number, offsets: ReadonlySet<number>): void {
    if (this.#plan.cleanup === 'compaction') return
    for (const [offset, id] of (this.#there[partition] ?? []).entries())
      if (id !== nobody && offset >= start && !offsets.has(offset))
        this.#complaints.add(
          'lost',
          `${this.#place(partition, offset)}: ${this.#nameOf(id)} was there; the end is ${end}`,
        )
  }

  #nothingLost(name: string, producer: Sent, partition: number, start: number, places: Map<number, number>): void {
    const { cleanup, keys } = this.#plan
    /** Topics with compaction, from the end to the start: the keys of which a later record is there. */
    const later = new Set<number>()
    const offsets = producer.offsets.get(partition) ?? []
    for (let sequence = offsets.length - 1; sequence >= 0; sequence--) {
      const acknowledged = offsets[sequence] ?? unacknowledged
      const place = places.get(producer.index * sequencesMax + sequence)
      if (place !== undefined) {
        later.add(sequence % keys)
        if (acknowledged >= 0 && acknowledged !== place && producer.isIdempotent)
          this.#complaints.add(
            'moved',
            `${name}, partition ${partition}: ${sequence} was at ${acknowledged}, is at ${place}`,
          )
      } else if (acknowledged !== unacknowledged) {
        const isRemoved =
          (cleanup === 'retention' && acknowledged < start) || (cleanup === 'compaction' && later.has(sequence % keys))
        if (!isRemoved)
          this.#complaints.add(
            'lost',
            `${this.#plan.name} ${partition}: ${name}'s ${sequence} was acknowledged at ${acknowledged} and is not there`,
          )
      }
    }
  }

  #claim(partition: number, offset: number, id: number, who: string): void {
    const there = this.#there[partition]
    if (there === undefined) {
      this.#complaints.add('invented', `${who}: ${this.#plan.name} has no partition ${partition}`)
      return
    }
    while (there.length <= offset) there.push(nobody)
    const known = there[offset] ?? nobody
    if (known === nobody) there[offset] = id
    else if (known !== id)
      this.#complaints.add(
        'changed',
        `${this.#place(partition, offset)}: ${who} has ${this.#nameOf(id)}, before it was ${this.#nameOf(known)}`,
      )
  }

  /** A record's identity by its text; undefined if no producer of this history can have sent it there. */
  #identify(partition: number, text: string): number | undefined {
    const match = /^([^.]+)\.(\d+)\.(\d+):$/.exec(text)
    const producer = this.#producers.get(match?.[1] ?? '')
    if (match === null || producer === undefined || Number(match[2]) !== partition) return undefined
    return producer.index * sequencesMax + Number(match[3])
  }

  #producer(name: string): Sent {
    const producer = this.#producers.get(name)
    if (producer === undefined) throw new Error(`no producer ${name} is known to write to ${this.#plan.name}`)
    return producer
  }

  #nameOf(id: number): string {
    return `${this.#names[Math.floor(id / sequencesMax)]}'s ${id % sequencesMax}`
  }

  #place(partition: number, offset: number): string {
    return `${this.#plan.name} ${partition}@${offset}`
  }
}
