import type { Topic } from '../cluster.js'
import { laneKey, objectKey } from '../ledger/keys.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import type { State } from '../views/state.js'

/** A range, and whose it is. */
export interface OwnedRange {
  topic: Topic
  log: PartitionLog
  range: Range
}

/** An object that holds records, and the ranges that lie in it, in the order of their position. */
export interface HeldRanges {
  key: string
  ranges: OwnedRange[]
}

/**
 * The ranges of all partitions by the object that holds them, in the order in which a store lists the objects: so they
 * can be compared with a listing, object by object. The state must not change as long as this is used. Takes some 30
 * bytes of memory for each range.
 */
export class RangesByObject {
  readonly #ledger: number
  readonly #owners: { topic: Topic; log: PartitionLog }[] = []
  /** Of each range its owner, its place in the owner's table, and the object's two numbers. */
  readonly #ownerOf: Uint32Array
  readonly #indexOf: Uint32Array
  readonly #writers: Float64Array
  readonly #numbers: Float64Array
  /** All ranges, sorted by object. */
  readonly #order: Uint32Array

  constructor(state: State, ledger: number) {
    this.#ledger = ledger
    for (const topic of state.topics.all())
      for (const log of state.partitions.ofTopic(topic.id)) this.#owners.push({ topic, log })
    // The folders of segments sort so.
    const folders = new Map(this.#owners.map(({ log }) => [log, `${log.topicId}/${log.partition}/`]))
    const folderOf = ({ log }: { log: PartitionLog }) => folders.get(log) ?? ''
    this.#owners.sort((a, b) => (folderOf(a) < folderOf(b) ? -1 : 1))

    const count = this.#owners.reduce((sum, { log }) => sum + log.ranges.length, 0)
    this.#ownerOf = new Uint32Array(count)
    this.#indexOf = new Uint32Array(count)
    this.#writers = new Float64Array(count)
    this.#numbers = new Float64Array(count)
    let at = 0
    for (const [owner, { log }] of this.#owners.entries())
      for (let index = 0; index < log.ranges.length; index++, at++) {
        this.#ownerOf[at] = owner
        this.#indexOf[at] = index
        this.#writers[at] = log.ranges.writerAt(index)
        this.#numbers[at] = log.ranges.numberAt(index)
      }
    this.#order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => this.#compare(a, b) || a - b)
  }

  /** The objects whose keys sort after `after`. */
  *objects(after = ''): Generator<HeldRanges> {
    for (let from = 0; from < this.#order.length; ) {
      let to = from + 1
      while (to < this.#order.length && this.#compare(this.#order[from] as number, this.#order[to] as number) === 0)
        to++
      const ranges = Array.from(this.#order.subarray(from, to), (at) => this.#range(at))
      const { log, range } = ranges[0] as OwnedRange
      const key = objectKey(this.#ledger, log.topicId, log.partition, range)
      if (key > after) yield { key, ranges: ranges.sort((a, b) => a.range.position - b.range.position) }
      from = to
    }
  }

  #range(at: number): OwnedRange {
    const { topic, log } = this.#owners[this.#ownerOf[at] as number] as { topic: Topic; log: PartitionLog }
    return { topic, log, range: log.ranges.at(this.#indexOf[at] as number) }
  }

  /** Lanes before entries before segments, as their folders' names are sorted; 0 if it is one object. */
  #compare(a: number, b: number): number {
    const writerA = this.#writers[a] as number
    const writerB = this.#writers[b] as number
    const kinds = kindOrder(writerA) - kindOrder(writerB)
    if (kinds !== 0) return kinds
    const numbers = (this.#numbers[a] as number) - (this.#numbers[b] as number)
    if (writerA === 0) return numbers
    if (writerA > 0) {
      if (writerA === writerB) return numbers
      return laneKey(this.#ledger, writerA, 0) < laneKey(this.#ledger, writerB, 0) ? -1 : 1
    }
    const owners = (this.#ownerOf[a] as number) - (this.#ownerOf[b] as number)
    if (owners !== 0) return owners
    if (numbers !== 0) return numbers
    return writerA === writerB ? 0 : String(-writerA) < String(-writerB) ? -1 : 1
  }
}

/** 'lanes' < 'ledger' < 'segments' */
function kindOrder(writer: number): number {
  if (writer > 0) return 0
  return writer === 0 ? 1 : 2
}
