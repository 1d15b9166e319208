import * as z from 'zod'
import { messageOf } from '../../base/errors.js'
import { baseOffsetOf, batchesIn, isControlBatch, lastOffsetOf } from '../../protocol/records/batch.js'
import { decodeRecords } from '../../protocol/records/record.js'
import type { Topic } from '../../state/cluster.js'
import type { SourceChunk, SourceRecord, SourceSpec } from '../component.js'

/** `from = "orders"`: the records of a topic of this cluster. */
export const topic: SourceSpec<string> = {
  kind: 'source',
  name: 'topic',
  summary: 'Reads a topic of this cluster, from the committed offsets on; any offset can be read again.',
  delivery: 'exactly-once',
  options: z.string(),
  open(name, { cluster }) {
    // The topic as it was first seen: another one of its name has nothing to do with the offsets of this one.
    let topicId: string | undefined
    const current = (): Topic | undefined => {
      const found = cluster.topics.byName(name)
      topicId ??= found?.id
      return found?.id === topicId ? found : undefined
    }
    return {
      identity: () => cluster.topics.byName(name)?.id,
      partitions: () => Array.from({ length: current()?.partitionCount ?? 0 }, (_, partition) => partition),
      bounds(partition) {
        const found = current()
        const offsets = found === undefined ? undefined : cluster.logs.offsets(found.id, partition)
        // Records of open transactions are not there yet.
        return offsets === undefined ? undefined : { start: offsets.logStartOffset, end: offsets.lastStableOffset }
      },
      async read(partition, offset, bytesMax) {
        const found = current()
        if (found === undefined) return { records: [], nextOffset: offset }
        const { batches } = await cluster.logs.read(found.id, partition, offset, { bytesMax })
        const end = cluster.logs.offsets(found.id, partition)?.lastStableOffset ?? 0
        // A piece may end within a batch: only all of them together are whole ones.
        return decode(batches.length === 1 && batches[0] ? batches[0] : Buffer.concat(batches), offset, end)
      },
      watch(partition, wake) {
        const found = current()
        return found === undefined ? () => {} : cluster.logs.watch([{ topicId: found.id, partition }], wake)
      },
    }
  },
}

/** Memory that a record takes beside its bytes. */
const overheadBytes = 200

function decode(bytes: Buffer, offset: number, end: number): SourceChunk {
  const records: SourceRecord[] = []
  let nextOffset = offset
  for (const batch of batchesIn(bytes)) {
    const baseOffset = baseOffsetOf(batch)
    if (baseOffset >= end) break
    const lastOffset = lastOffsetOf(batch)
    if (lastOffset < offset) continue
    nextOffset = lastOffset + 1
    if (isControlBatch(batch)) continue
    for (const record of recordsOf(batch, Math.max(offset, baseOffset)))
      if (record.offset >= offset) records.push(record)
  }
  return { records, nextOffset }
}

function recordsOf(batch: Buffer, offset: number): SourceRecord[] {
  try {
    return decodeRecords(batch).map((record) => ({
      offset: record.offset,
      timestampMs: record.timestampMs,
      key: record.key,
      value: record.value,
      headers: record.headers,
      bytes: overheadBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0),
    }))
  } catch (error) {
    // The CRC covers what the producer sent: what it compressed may still be nonsense. It must not block what follows.
    const unreadable = `the record batch can't be read: ${messageOf(error)}`
    return [{ offset, timestampMs: -1, key: null, value: batch, headers: [], bytes: batch.length, unreadable }]
  }
}
