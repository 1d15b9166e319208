import type { TopicId } from '../cluster.js'
import type { ObjectRef } from '../views/view.js'

/**
 * The keys of all objects, and the numbers by which state refers to those that hold record batches.
 * Sequence numbers are padded so that keys sort as numbers do.
 */

/** The one object that says which cluster this is. */
export const clusterKey = 'cluster.json'
/** Marks a store into which a cluster is just being copied; it holds that cluster's id. */
export const copyMarkerKey = 'copy.json'

const padded = (value: number, digits: number) => value.toString().padStart(digits, '0')

/** The folder of a ledger's entries. */
export const entriesFolder = (ledger: number) => `ledger/${ledger}`
export const entryKey = (ledger: number, sequence: number) => `ledger/${ledger}/${padded(sequence, 20)}`

export const writersPrefix = (ledger: number) => `writers/${ledger}/`
export const writerKey = (ledger: number, writer: number) => `writers/${ledger}/${padded(writer, 10)}`

export const lanesPrefix = (ledger: number) => `lanes/${ledger}/`
/** The folder of one writer's lane. */
export const laneFolder = (ledger: number, writer: number) => `lanes/${ledger}/${padded(writer, 10)}`
export const laneKey = (ledger: number, writer: number, index: number) =>
  `lanes/${ledger}/${padded(writer, 10)}/${padded(index, 16)}`

export const snapshotsPrefix = (ledger: number) => `snapshots/${ledger}/`
export const snapshotKey = (ledger: number, sequence: number) => `snapshots/${ledger}/${padded(sequence, 20)}`

export const segmentsPrefix = 'segments/'
/** `number` is unique for its writer: see `PartitionLogs.segmentsFrom`. */
export const segmentKey = (topicId: TopicId, partition: number, writer: number, number: number) =>
  `${segmentsPrefix}${topicId}/${partition}/${padded(number, 16)}-${writer}`

/** The key of the object that holds bytes of a partition. */
export function objectKey(ledger: number, topicId: TopicId, partition: number, { writer, number }: ObjectRef): string {
  if (writer === 0) return entryKey(ledger, number)
  if (writer > 0) return laneKey(ledger, writer, number)
  return segmentKey(topicId, partition, -writer, number)
}

/** Whose lane an object is in. */
export const writerOfLaneKey = (key: string) => Number(key.split('/')[2])

/** Who made a segment, and under which number. */
export function writerOfSegmentKey(key: string): { writer: number; number: number } {
  const [number, writer] = key.slice(key.lastIndexOf('/') + 1).split('-')
  return { writer: Number(writer), number: Number(number) }
}

/** The number at the end of an entry's, a lane object's, a writer's or a snapshot's key. */
export function numberOfKey(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

export const probesPrefix = 'probe/'
/** `writer`: the highest number that was claimed when it was made. */
export const probeKey = (writer: number, id: string) => `${probesPrefix}${padded(writer, 10)}-${id}`
/** NaN if the key bears no number. */
export const writerOfProbeKey = (key: string) => Number(/^probe\/(\d{10,})-/.exec(key)?.[1] ?? Number.NaN)

/** What an object is, by its key. */
export type ObjectKind =
  | { kind: 'cluster' | 'copyMarker' }
  | { kind: 'entry'; number: number }
  | { kind: 'snapshot' | 'writer'; number: number }
  | { kind: 'lane'; writer: number; number: number }
  | { kind: 'segment'; topicId: TopicId; partition: number; writer: number; number: number }

const shapes: readonly { pattern: RegExp; toKind(fields: string[]): ObjectKind }[] = [
  { pattern: /^cluster\.json$/, toKind: () => ({ kind: 'cluster' }) },
  { pattern: /^copy\.json$/, toKind: () => ({ kind: 'copyMarker' }) },
  { pattern: /^ledger\/0\/(\d{20})$/, toKind: ([number]) => ({ kind: 'entry', number: Number(number) }) },
  { pattern: /^snapshots\/0\/(\d{20})$/, toKind: ([number]) => ({ kind: 'snapshot', number: Number(number) }) },
  { pattern: /^writers\/0\/(\d{10,})$/, toKind: ([number]) => ({ kind: 'writer', number: Number(number) }) },
  {
    pattern: /^lanes\/0\/(\d{10,})\/(\d{16})$/,
    toKind: ([writer, number]) => ({ kind: 'lane', writer: Number(writer), number: Number(number) }),
  },
  {
    pattern: /^segments\/([^/]+)\/(\d+)\/(\d{16})-(\d+)$/,
    toKind: ([topicId = '', partition, number, writer]) => ({
      kind: 'segment',
      topicId,
      partition: Number(partition),
      writer: Number(writer),
      number: Number(number),
    }),
  },
]

/** What the object is that has this key; undefined if it is none of the (first) ledger's. */
export function kindOfKey(key: string): ObjectKind | undefined {
  for (const { pattern, toKind } of shapes) {
    const [match, ...fields] = pattern.exec(key) ?? []
    if (match !== undefined) return toKind(fields)
  }
  return undefined
}
