import { ErrorCode } from '../../protocol/error-codes.js'
import { Fetch } from '../../protocol/messages/fetch.js'
import { batchesIn, isControlBatch, lastOffsetOf } from '../../protocol/records/batch.js'
import { type DecodedRecord, decodeRecords } from '../../protocol/records/record.js'
import type { Connection } from './connection.js'
import { check } from './errors.js'
import type { TopicMetadata } from './topics.js'

export interface FetchedRecord extends DecodedRecord {
  topic: string
  partition: number
}

/** Where each partition is to be read next. */
export type Positions = Map<number, number>

const fetchBytesMax = 16 * 1024 * 1024
const partitionBytesMax = 1024 * 1024

/**
 * One fetch of a topic from `positions`, which are moved behind the records that are given.
 * @param waitMs how long the gateway may wait for records
 * @param onOutOfRange gives the offset to go on from in a partition whose position does not exist (any more)
 */
export async function fetchRecords(
  connection: Connection,
  topic: TopicMetadata,
  positions: Positions,
  waitMs: number,
  onOutOfRange: (partition: number, position: number) => Promise<number>,
): Promise<FetchedRecord[]> {
  // Whoever stands first is served first: the partitions take turns.
  const order = [...positions.keys()]
  const answer = await connection.request(
    Fetch,
    {
      maxWaitMs: waitMs,
      minBytes: 1,
      maxBytes: fetchBytesMax,
      topics: [
        {
          topic: topic.name,
          topicId: topic.id,
          partitions: order.map((partition) => ({
            partition,
            fetchOffset: positions.get(partition) ?? 0,
            partitionMaxBytes: partitionBytesMax,
          })),
        },
      ],
      forgottenTopicsData: [],
    },
    { waitMs },
  )
  check(`fetch from ${topic.name}`, answer.errorCode)
  const records: FetchedRecord[] = []
  for (const { partitionIndex, errorCode, records: bytes } of answer.responses[0]?.partitions ?? []) {
    const position = positions.get(partitionIndex) ?? 0
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      positions.set(partitionIndex, await onOutOfRange(partitionIndex, position))
      continue
    }
    check(`fetch from ${topic.name}-${partitionIndex}`, errorCode)
    if (bytes === null || bytes.length === 0) continue
    let next = position
    for (const batch of batchesIn(bytes)) {
      next = Math.max(next, lastOffsetOf(batch) + 1)
      if (isControlBatch(batch)) continue
      for (const record of decodeRecords(batch))
        if (record.offset >= position) records.push({ ...record, topic: topic.name, partition: partitionIndex })
    }
    positions.delete(partitionIndex)
    positions.set(partitionIndex, next)
  }
  return records
}
