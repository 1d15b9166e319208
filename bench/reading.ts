import { type Clock, systemClock } from '../src/base/clock.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { LogBytes } from '../src/state/log/log-bytes.js'
import { AnswerRead, PartitionRead } from '../src/state/log/reader.js'
import type { ObjectStore } from '../src/state/store/object-store.js'
import { PartitionLog } from '../src/state/views/partition-log.js'

// What it costs to read for an answer, without a store, a client or the network around it.

/** Bytes of one partition in an answer, and of one of its batches with what stands around its records. */
const partitionBytes = 1024 * 1024
const batchOverhead = 80

interface Layout {
  /** Entries, each with as many batches side by side for each partition. */
  entries: number
  partitions: number
  batches: number
  batchBytes: number
}

/** Partitions whose batches lie in entries, all of which can be had at once. */
function logsOf({ entries, partitions, batches, batchBytes }: Layout) {
  const value = Buffer.alloc(batchBytes - batchOverhead)
  const batch = encodeBatch({ records: [{ timestampMs: 1, key: null, value, headers: [] }] })
  const range = Buffer.concat(Array.from({ length: batches }, () => batch))
  const entry = Buffer.concat(Array.from({ length: partitions }, () => range))
  const logs = Array.from({ length: partitions }, (_, partition) => new PartitionLog('0'.repeat(32), partition))
  for (let number = 1; number <= entries; number++)
    for (const [partition, log] of logs.entries()) {
      const baseOffset = log.endOffset
      log.endOffset += batches
      const place = { writer: 0, number, position: partition * range.length, length: range.length }
      log.ranges.append({ baseOffset, endOffset: log.endOffset, ...place, maxTimestampMs: 1 })
    }
  const getNow: ObjectStore['getNow'] = (_key, { position, length }, allocate) => {
    const bytes = allocate(Math.min(length, entry.length - position))
    entry.copy(bytes, 0, position, position + bytes.length)
    return { bytes, size: entry.length }
  }
  const store = { url: 'memory:', kind: 'local', getNow } as Partial<ObjectStore> as ObjectStore
  const observer = { lookedUp() {} }
  // Each operation is a turn of the event loop, which it does not come to otherwise.
  let endTurn = () => {}
  const clock: Clock = {
    ...systemClock,
    soon(task) {
      endTurn = task
    },
  }
  const bytes = new LogBytes({ tail: store, backfill: store, ledger: 0, cacheBytes: 64 * 1024 * 1024, clock, observer })
  return { logs, bytes, batches, rangeBytes: range.length, endTurn: () => endTurn() }
}

/** Reads on in every `step`th partition, so many at once, and from the beginning once it is at the end. */
function reading(layout: Layout, partitionsAtOnce: number, step = 1): () => void {
  const { logs, bytes, batches, rangeBytes, endTurn } = logsOf(layout)
  const offsets = logs.map(() => 0)
  let next = 0
  return () => {
    const answer = new AnswerRead(bytes, true)
    for (let i = 0; i < partitionsAtOnce; i++, next = (next + step) % logs.length) {
      const log = logs[next] as PartitionLog
      const read = new PartitionRead(answer, log, offsets[next] as number, { bytesMax: partitionBytes })
      if (!read.now()) throw new Error('all is at hand')
      const offset = (offsets[next] as number) + Math.round(read.bytes / rangeBytes) * batches
      offsets[next] = offset >= log.endOffset ? 0 : offset
    }
    answer.memory.release()
    endTurn()
  }
}

const wide = { entries: 100, partitions: 64, batches: 1, batchBytes: 60 * 1024 } as const
const java = { entries: 216, partitions: 8, batches: 2, batchBytes: 16 * 1024 } as const
const many = { entries: 20, partitions: 1_000, batches: 1, batchBytes: 4 * 1024 } as const

/** Parts for `micro.ts`: an operation, and the bytes that it is about. */
export const readingParts: Record<string, [operation: () => void, bytes: number]> = {
  'read 2 MiB of 2 of 64 partitions, here and there, in ranges of 60 KiB': [reading(wide, 2, 5), 2 * partitionBytes],
  'read 4 MiB of 4 of 8 partitions in ranges of 2 batches of 16 KiB': [reading(java, 4), 4 * partitionBytes],
  'read 8 MiB of 100 partitions in ranges of 4 KiB': [reading(many, 100), 100 * many.entries * many.batchBytes],
}
