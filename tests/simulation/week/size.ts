import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { OpenCluster } from '../../../src/state/open-cluster.js'
import type { MemoryBucket } from '../../../src/state/store/memory.js'

/** The kinds of objects, by the first part of their keys. */
export const kinds = ['ledger', 'lanes', 'segments', 'snapshots', 'writers'] as const
export type Kind = (typeof kinds)[number]

/** How much there is at some hour. */
export interface Size {
  hour: number
  objects: Record<Kind, number>
  /** Sizes of these objects, bytes. */
  bytes: Record<Kind, number>
  /** Entries that were ever written. */
  entriesEver: number
  /** The newest snapshot, bytes. */
  snapshotBytes: number
  topics: number
  ranges: number
  /** Producers that are remembered, over all partitions. */
  producers: number
  groups: number
  offsets: number
  /** Writers that are remembered. */
  writers: number
  /** Of the simulator's process, all instances in it, after a garbage collection, bytes; without the store's objects. */
  heapBytes: number
  rssBytes: number
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

export function measure(hour: number, bucket: MemoryBucket, cluster: OpenCluster): Size {
  const objects = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>
  const bytes = { ...objects }
  let snapshotBytes = 0
  let storedBytes = 0
  for (const key of bucket.sortedKeys()) {
    const kind = kinds.find((each) => key.startsWith(`${each}/`))
    const length = bucket.objects.get(key)?.length ?? 0
    storedBytes += length
    if (kind === undefined) continue
    objects[kind]++
    bytes[kind] += length
    if (kind === 'snapshots') snapshotBytes = length
  }
  const { state } = cluster.proposer
  let [ranges, producers, offsets] = [0, 0, 0]
  for (const topic of state.topics.all())
    for (const log of state.partitions.ofTopic(topic.id)) {
      ranges += log.ranges.length
      producers += log.producers.size
    }
  for (const { groupId } of state.groups.all())
    for (const committed of state.offsets.ofGroup(groupId).values()) offsets += committed.size
  collectGarbage()
  const { heapUsed, external, rss } = process.memoryUsage()
  return {
    hour,
    objects,
    bytes,
    entriesEver: cluster.ledgerSequence(),
    snapshotBytes,
    topics: state.topics.size,
    ranges,
    producers,
    groups: state.groups.size,
    offsets,
    writers: state.writers.size,
    heapBytes: heapUsed + Math.max(external - storedBytes, 0),
    rssBytes: rss,
  }
}
