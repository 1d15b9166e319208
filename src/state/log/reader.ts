import type { ReadOptions, ReadResult } from '../cluster.js'
import type { PartitionLog } from '../views/partition-log.js'
import type { Range } from '../views/ranges.js'
import { AnswerMemory } from './answer-memory.js'
import type { BlockRead } from './blocks.js'
import { GatheredBatches } from './gathered-batches.js'
import type { LogBytes } from './log-bytes.js'

/**
 * Ranges that are read from the store at once for one reader, and most that are for one answer: who reads far behind
 * the tail of a log of many small entries must get something before its client gives up.
 */
const rangesAhead = 16
const storeReadsMax = 128

/** Bytes that a read from `offset` would find, as far as the ranges tell; at most `bytesMax`. */
export function availableBytes(log: PartitionLog, offset: number, bytesMax: number): number {
  if (offset >= log.endOffset) return 0
  let bytes = 0
  for (let index = log.ranges.find(offset); index < log.ranges.length && bytes < bytesMax; index++)
    bytes += log.ranges.lengthAt(index)
  return Math.min(bytes, bytesMax)
}

/** One answer for which partitions are read. */
export class AnswerRead {
  readonly bytes: LogBytes
  /** What is held until all of it has been sent. */
  readonly memory: AnswerMemory

  /** @param mayBorrow its memory is sure to be released. */
  constructor(bytes: LogBytes, mayBorrow: boolean) {
    this.bytes = bytes
    this.memory = new AnswerMemory(bytes.pool, mayBorrow)
  }
}

/** Reads whole batches of one partition, the first of which contains an offset. */
export class PartitionRead {
  readonly log: PartitionLog
  readonly #answer: AnswerRead
  readonly #batches: GatheredBatches
  readonly #bytesMax: number

  constructor(answer: AnswerRead, log: PartitionLog, offset: number, options: ReadOptions) {
    this.#answer = answer
    this.log = log
    this.#batches = new GatheredBatches(answer.memory, offset, options)
    this.#bytesMax = options.bytesMax
  }

  /** What has been read. */
  get batches(): Buffer[] {
    return this.#batches.pieces
  }

  /** Its bytes. */
  get bytes(): number {
    return this.#batches.bytes
  }

  /**
   * Reads what can be had at once; false if there is more that must be waited for.
   * @throws CorruptObjectError
   */
  now(): boolean {
    const batches = this.#batches
    const { ranges } = this.log
    if (batches.next < this.log.endOffset)
      for (let index = ranges.find(batches.next); index < ranges.length && !batches.isFull; index++)
        if (!this.#gatherNow(ranges.at(index))) return false
    batches.end()
    return true
  }

  /**
   * Reads the rest. May be called again when it failed, and goes on then.
   * @throws StoreError, CorruptObjectError
   */
  async rest(): Promise<this> {
    const batches = this.#batches
    const { ranges } = this.log
    const { turns } = this.#answer.bytes
    const reads: Reads = new Map()
    let storeReads = 0
    try {
      // Retention may overtake the reader while it waits: then it has what it has.
      while (!batches.isFull && batches.next < this.log.endOffset && batches.next >= this.log.logStartOffset) {
        const index = ranges.find(batches.next)
        if (index >= ranges.length) break
        const range = ranges.at(index)
        const name = nameOf(range)
        let read = reads.get(name)
        if (read === undefined) {
          if (this.#gatherNow(range)) continue
          if (turns.isOver) {
            await turns.next()
            continue
          }
          if (storeReads >= storeReadsMax) break
          storeReads += this.#readAhead(index, reads)
          read = reads.get(name) as BlockRead
        }
        await read.ready()
        reads.delete(name)
        read.leave()
        this.#answer.bytes.gather(range, read.blocks, batches)
      }
    } finally {
      for (const read of reads.values()) {
        read.leave()
        for (const block of read.blocks) block.release()
      }
    }
    batches.end()
    return this
  }

  #gatherNow(range: Range): boolean {
    return this.#answer.bytes.gatherNow(this.log, range, this.#batches)
  }

  /**
   * Begins to read ranges from `index` on, at least one, up to so many bytes as may still be taken, and as long as there is
   * room for what is read ahead. Each is awaited by who needs it. How many it began.
   */
  #readAhead(index: number, reads: Reads): number {
    const { ranges } = this.log
    const { bytes } = this.#answer
    const first = ranges.at(index)
    reads.set(nameOf(first), bytes.begin(this.log, first))
    let length = first.length
    let begun = 1
    for (let at = index + 1; at < Math.min(index + rangesAhead, ranges.length); at++) {
      const range = ranges.at(at)
      length += range.length
      if (length > this.#bytesMax - this.#batches.bytes || reads.has(nameOf(range))) break
      const read = bytes.begin(this.log, range, true)
      if (read === undefined) break
      reads.set(nameOf(range), read)
      begun++
    }
    return begun
  }
}

/** By the ranges' names: while one waits for them, others may take their places. */
type Reads = Map<string, BlockRead>
const nameOf = ({ writer, number, position, length }: Range) => `${writer}/${number}/${position}+${length}`

/** Reads whole batches of one partition for an answer of their own, the first of which contains `offset`. */
export async function readBatches(
  bytes: LogBytes,
  log: PartitionLog,
  offset: number,
  options: ReadOptions,
): Promise<ReadResult> {
  const answer = new AnswerRead(bytes, false)
  const read = new PartitionRead(answer, log, offset, options)
  if (!read.now()) await read.rest()
  return { batches: read.batches, bytes: read.bytes, release: () => answer.memory.release() }
}
