import { type Clock, systemClock } from '../src/base/clock.js'
import { createLog } from '../src/base/log.js'
import { type Random, seededRandom, systemRandom } from '../src/base/random.js'
import type { Compression } from '../src/protocol/records/batch.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { type OpenCluster, openCluster } from '../src/state/open-cluster.js'
import { openStore } from '../src/state/store/open.js'

export interface CleaningStoreOptions {
  folder: string
  compression: Compression
  /** Bytes of the records of a batch before they are compressed, and of a record's value. */
  unpackedBytes: number
  valueBytes: number
  /** How much smaller they get, about. */
  ratio: number
  /** Bytes that are stored in all, about. */
  bytes: number
  onProgress(bytes: number): void
}

export const cleaningTopic = 'compacted'
export const cleaningPartitions = 4
const keyBytes = 20
const dayMs = 24 * 3600 * 1000
/** So much that is not like anything else, at least. */
const chanceBytes = 2 ** 24

/**
 * Makes a store with a compacted topic of which everything is due: all of it lies in segments, and of all keys, chosen
 * evenly, there are two records each on average, so that of every batch some records stay and some go. The records are
 * two days old, to a cluster whose clock is right; the one that writes them here believes that they are too young
 * (`min.compaction.lag.ms`).
 */
export async function makeCleaningStore(options: CleaningStoreOptions): Promise<{ bytes: number; records: number }> {
  const { folder, compression, unpackedBytes, valueBytes, ratio, bytes, onProgress } = options
  const startMs = systemClock.now()
  const clock: Clock = { ...systemClock, now: () => systemClock.now() - 1.5 * dayMs }
  const log = createLog('warn')
  const store = await openStore(`file:${folder}`, { clock, random: systemRandom, log, fsync: false })
  const settings = {
    ...{ flushIntervalMs: 0, flushBytes: 4 * 2 ** 20, maxInflightEntries: 4, waitingBytesMax: 2 ** 28 },
    ...{ pollIntervalMs: 50, snapshotEntries: 10_000, cacheBytes: 0, compactIntervalMs: 500, compactAgeMs: 1_000 },
  }
  const onFatal = (error: Error) => {
    throw error
  }
  const cluster = await openCluster({ store, clock, random: systemRandom, log, settings, onFatal })
  try {
    const configs = new Map([
      ['cleanup.policy', 'compact'],
      ['min.compaction.lag.ms', String(dayMs)],
    ])
    const made = await cluster.topics.create({ name: cleaningTopic, partitionCount: cleaningPartitions, configs })
    const topicId = made.topic?.id ?? ''
    const random = seededRandom(1)
    const count = Math.max(1, Math.round(unpackedBytes / (valueBytes + keyBytes + 12)))
    const chance = Buffer.from(random.hex(chanceBytes), 'hex')
    const recordsAbout = (bytes * ratio) / valueBytes
    const keys = Math.ceil(recordsAbout / cleaningPartitions / 2)
    const batchOf = () => {
      const records = Array.from({ length: count }, () => ({
        timestampMs: startMs - 2 * dayMs,
        key: Buffer.from(`key-${Math.floor(random.next() * keys)}`.padEnd(keyBytes)),
        value: textLike(chance, random, valueBytes, ratio),
        headers: [],
      }))
      return encodeBatch({ records, compression })
    }
    let written = 0
    let batches = 0
    while (written < bytes) {
      const batch = batchOf()
      await cluster.logs.append([{ topicId, partition: batches++ % cleaningPartitions, batch }])
      written += batch.length
      if (batches % 64 === 0) onProgress(written)
    }
    await untilInSegments(cluster, topicId)
    return { bytes: written, records: batches * count }
  } finally {
    await cluster.close()
  }
}

/** As text is, it repeats itself. */
function textLike(chance: Buffer, random: Random, bytes: number, ratio: number): Buffer {
  const length = Math.ceil(bytes / ratio)
  const at = Math.floor(random.next() * (chance.length - length))
  return Buffer.alloc(bytes, chance.subarray(at, at + length))
}

async function untilInSegments(cluster: OpenCluster, topicId: string): Promise<void> {
  const isWhole = (partition: number) => {
    const log = cluster.proposer.state.partitions.get(topicId, partition)
    if (log === undefined) return false
    for (let index = 0; index < log.ranges.length; index++) if (log.ranges.writerAt(index) >= 0) return false
    return true
  }
  while (!Array.from({ length: cleaningPartitions }, (_, partition) => isWhole(partition)).every(Boolean))
    await new Promise((resolve) => setTimeout(resolve, 100))
}
