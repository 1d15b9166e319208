import type { TopicId } from '../cluster.js'

/**
 * The keys of all objects, and the numbers by which state refers to those that hold record batches.
 * Sequence numbers are padded so that keys sort as numbers do.
 */

/** The one object that says which cluster this is. */
export const clusterKey = 'cluster.json'

const padded = (value: number, digits: number) => value.toString().padStart(digits, '0')

/** The folder of a ledger's entries. */
export const entriesFolder = (ledger: number) => `ledger/${ledger}`
export const entryKey = (ledger: number, sequence: number) => `ledger/${ledger}/${padded(sequence, 20)}`

export const writersPrefix = (ledger: number) => `writers/${ledger}/`
export const writerKey = (ledger: number, writer: number) => `writers/${ledger}/${padded(writer, 10)}`

export const laneKey = (ledger: number, writer: number, index: number) =>
  `lanes/${ledger}/${padded(writer, 10)}/${padded(index, 16)}`

export const snapshotsPrefix = (ledger: number) => `snapshots/${ledger}/`
export const snapshotKey = (ledger: number, sequence: number) => `snapshots/${ledger}/${padded(sequence, 20)}`

export const segmentKey = (topicId: TopicId, partition: number, baseOffset: number, writer: number, number: number) =>
  `segments/${topicId}/${partition}/${padded(baseOffset, 20)}-${writer}-${number}`

/** The number at the end of an entry's, a writer's or a snapshot's key. */
export function numberOfKey(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}
