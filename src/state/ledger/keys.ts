import type { TopicId } from '../cluster.js'
import { homeLedger, ledgerOfPartition } from '../routing.js'
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

/** Whose records a segment holds. */
export function partitionOfSegmentKey(key: string): { topicId: TopicId; partition: number } {
  const [topicId = '', partition] = key.slice(segmentsPrefix.length).split('/')
  return { topicId, partition: Number(partition) }
}

/** The number at the end of an entry's, a lane object's, a writer's or a snapshot's key. */
export function numberOfKey(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

export const probesPrefix = 'probe/'
/** `writer`: the highest number that was claimed in the home ledger when it was made. */
export const probeKey = (writer: number, id: string) => `${probesPrefix}${padded(writer, 10)}-${id}`
/** NaN if the key bears no number. */
export const writerOfProbeKey = (key: string) => Number(/^probe\/(\d{10,})-/.exec(key)?.[1] ?? Number.NaN)

/** What an object is, by its key. `ledger`: whose, by its number. */
export type ObjectKind =
  | { kind: 'cluster' | 'copyMarker'; ledger: number }
  | { kind: 'entry'; ledger: number; number: number }
  | { kind: 'snapshot' | 'writer'; ledger: number; number: number }
  | { kind: 'lane'; ledger: number; writer: number; number: number }
  | { kind: 'segment'; ledger: number; topicId: TopicId; partition: number; writer: number; number: number }

const shapes: readonly { pattern: RegExp; toKind(fields: string[], ledgers: number): ObjectKind }[] = [
  { pattern: /^cluster\.json$/, toKind: () => ({ kind: 'cluster', ledger: homeLedger }) },
  { pattern: /^copy\.json$/, toKind: () => ({ kind: 'copyMarker', ledger: homeLedger }) },
  { pattern: /^ledger\/(0|[1-9]\d*)\/(\d{20})$/, toKind: ([ledger, number]) => numbered('entry', ledger, number) },
  {
    pattern: /^snapshots\/(0|[1-9]\d*)\/(\d{20})$/,
    toKind: ([ledger, number]) => numbered('snapshot', ledger, number),
  },
  { pattern: /^writers\/(0|[1-9]\d*)\/(\d{10,})$/, toKind: ([ledger, number]) => numbered('writer', ledger, number) },
  {
    pattern: /^lanes\/(0|[1-9]\d*)\/(\d{10,})\/(\d{16})$/,
    toKind: ([ledger, writer, number]) => ({
      kind: 'lane',
      ledger: Number(ledger),
      writer: Number(writer),
      number: Number(number),
    }),
  },
  {
    pattern: /^segments\/([^/]+)\/(\d+)\/(\d{16})-(\d+)$/,
    toKind: ([topicId = '', partition, number, writer], ledgers) => ({
      kind: 'segment',
      ledger: ledgerOfPartition(topicId, Number(partition), ledgers),
      topicId,
      partition: Number(partition),
      writer: Number(writer),
      number: Number(number),
    }),
  },
]

const numbered = <Kind extends 'entry' | 'snapshot' | 'writer'>(kind: Kind, ledger?: string, number?: string) => ({
  kind,
  ledger: Number(ledger),
  number: Number(number),
})

/** What the object is that has this key; undefined if it is none of a cluster with so many ledgers. */
export function kindOfKey(key: string, ledgers: number): ObjectKind | undefined {
  for (const { pattern, toKind } of shapes) {
    const [match, ...fields] = pattern.exec(key) ?? []
    if (match === undefined) continue
    const kind = toKind(fields, ledgers)
    return kind.ledger < ledgers ? kind : undefined
  }
  return undefined
}
