import type { Clock } from '../../base/clock.js'
import type { Connection } from './connection.js'
import { type FetchedRecord, fetchRecords, type Positions } from './fetcher.js'
import { offsetsAt, Timestamp, type TopicMetadata } from './topics.js'

/** Where records come from: partitions read by oneself, or those that a group assigns. */
export interface RecordSource {
  /** The records that come next; none when none came within `waitMs`. */
  poll(waitMs: number): Promise<FetchedRecord[]>
  /** The last of what the newest poll gave were not used: they come again, to whoever reads next. */
  giveBack(unused: readonly FetchedRecord[]): void
  /** A group's member commits and leaves. */
  close(): Promise<void>
}

/** Where a reader begins that has no position: before all records, or after. */
export type Start = keyof typeof Timestamp

export interface SourceOptions {
  connection: Connection
  topic: TopicMetadata
  start: Start
  clock: Clock
}

/** Reads partitions without a group. `offset` is where to begin in each of them, instead of `start`. */
export async function partitionSource(
  options: SourceOptions & { partitions: readonly number[]; offset?: number | undefined },
): Promise<RecordSource> {
  const { connection, topic, partitions, offset } = options
  const positions: Positions =
    offset === undefined
      ? await offsetsAt(connection, topic.name, partitions, Timestamp[options.start])
      : new Map(partitions.map((partition) => [partition, offset]))
  return {
    poll: (waitMs) => fetchRecords(connection, topic, positions, waitMs, resetPosition(options)),
    giveBack: (unused) => giveBack(positions, unused),
    close: async () => {},
  }
}

/** For a position that does not exist: the partition's start or end. */
export function resetPosition({ connection, topic, start }: SourceOptions) {
  return async (partition: number): Promise<number> =>
    (await offsetsAt(connection, topic.name, [partition], Timestamp[start])).get(partition) ?? 0
}

export function giveBack(positions: Positions, unused: readonly FetchedRecord[]): void {
  for (const record of unused)
    positions.set(record.partition, Math.min(record.offset, positions.get(record.partition) ?? record.offset))
}
