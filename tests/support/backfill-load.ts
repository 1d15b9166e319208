import type { Clock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { type Random, seededRandom } from '../../src/base/random.js'
import { maxTimestampOf } from '../../src/protocol/records/batch.js'
import { encodeBatch } from '../../src/protocol/records/record.js'
import { type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { Gate } from '../../src/state/store/gate.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import type { ObjectStore } from '../../src/state/store/object-store.js'

export interface BackfillOptions {
  clock: Clock
  /** Consumers that read from far behind the tail, half of them on each of the two instances. */
  backfills: number
  /** Records that they find, bytes. */
  backlogBytes: number
  /** How large the entries are in which they lie; much smaller where there is little traffic. */
  entryBytes: number
  /** Measured time, milliseconds. */
  ms: number
  /** What the instances give to their caches, bytes. */
  cacheBytes?: number
  /** Connections to the store that an instance has, if not as many as on S3. */
  connections?: number
}

export interface BackfillFigures {
  /** From a produce request to its answer, milliseconds. */
  produce: Percentiles
  /** From a produce request until a consumer at the tail has the record, milliseconds: of the same instance, and of another. */
  tailHere: Percentiles
  tailElsewhere: Percentiles
  backfillBytesPerSecond: number
  getsPerSecond: number
  /** The most that the readers of both instances held beside the caches, bytes. */
  heldBytesMax: number
}

export interface Percentiles {
  p50: number
  p99: number
}

/** As S3 does: median times of a put and a get, milliseconds, and what a connection carries. */
const putMs = 60
const getMs = 30
const bytesPerMs = 90_000
const partitions = 8
const batchBytes = 16 * 1024
/** A batch is produced this often, milliseconds: some 3 MB/s. */
const produceMs = 5
const fetchBytes = 1024 * 1024
/** So long a consumer needs to take what it was given, milliseconds. */
const takeMs = 5
const warmUpMs = 500

/**
 * Two instances on one slow store. A producer and a consumer at the tail are at one, another consumer at the tail at
 * the other; and consumers read from far behind. What do those notice of these?
 */
export async function measureBackfill(options: BackfillOptions): Promise<BackfillFigures> {
  const { clock, backfills, backlogBytes, ms, cacheBytes = 64 * 1024 * 1024, connections = 128 } = options
  const bucket = new MemoryBucket()
  const topicId = await fill(bucket, clock, backlogBytes, options.entryBytes)
  let gets = 0
  const open = (seed: number) => {
    const store = slowStore(memoryStore(bucket), clock, seededRandom(seed), connections, () => gets++)
    return openCluster(clusterOptions(store, clock, cacheBytes, 100, seed))
  }
  const [here, elsewhere] = await Promise.all([open(1), open(2)])
  const begin = clock.monotonic() + warmUpMs
  const end = begin + ms
  const isMeasured = () => clock.monotonic() >= begin && clock.monotonic() < end
  const figures = { produce: [] as number[], tailHere: [] as number[], tailElsewhere: [] as number[] }
  let backfilled = 0
  let heldBytesMax = 0
  const goesOn = () => clock.monotonic() < end
  const work = [
    produce(here, topicId, clock, goesOn, (latencyMs) => isMeasured() && figures.produce.push(latencyMs)),
    ...[here, elsewhere].map((cluster) =>
      readTail(cluster, topicId, clock, goesOn, (latencyMs) => {
        if (isMeasured()) figures[cluster === here ? 'tailHere' : 'tailElsewhere'].push(latencyMs)
      }),
    ),
    ...Array.from({ length: backfills }, (_, i) =>
      readBacklog(i % 2 === 0 ? here : elsewhere, topicId, i / backfills, clock, goesOn, (bytes) => {
        if (isMeasured()) backfilled += bytes
        heldBytesMax = Math.max(heldBytesMax, here.heldBytes() + elsewhere.heldBytes())
      }),
    ),
  ]
  await clock.sleep(warmUpMs)
  const getsBefore = gets
  await clock.sleep(ms)
  const getsPerSecond = ((gets - getsBefore) * 1_000) / ms
  await Promise.all(work)
  await Promise.all([here.close(), elsewhere.close()])
  return {
    produce: percentilesOf(figures.produce),
    tailHere: percentilesOf(figures.tailHere),
    tailElsewhere: percentilesOf(figures.tailElsewhere),
    backfillBytesPerSecond: (backfilled * 1_000) / ms,
    getsPerSecond,
    heldBytesMax,
  }
}

function clusterOptions(store: ObjectStore, clock: Clock, cacheBytes: number, flushIntervalMs: number, seed: number) {
  const settings = {
    ...{ flushIntervalMs, flushBytes: 4 * 1024 * 1024, maxInflightEntries: 4, waitingBytesMax: 2 ** 28 },
    ...{ pollIntervalMs: 50, snapshotEntries: 1_000_000, cacheBytes },
  }
  const onFatal = (error: Error) => {
    throw error
  }
  return { store, clock, random: seededRandom(seed), log: silentLog(), settings, onFatal }
}

/** Writes the backlog, on a store that takes no time. */
async function fill(bucket: MemoryBucket, clock: Clock, bytes: number, entryBytes: number): Promise<string> {
  const cluster = await openCluster(clusterOptions(memoryStore(bucket), clock, 0, 0, 3))
  const { topic } = await cluster.topics.create({ name: 'backlog', partitionCount: partitions, configs: new Map() })
  if (topic === undefined) throw new Error('the topic could not be created')
  const batch = batchOf(clock.now())
  const atOnce = Math.ceil(entryBytes / batch.length)
  for (let written = 0; written < bytes; written += atOnce * batch.length)
    await cluster.logs.append(
      Array.from({ length: atOnce }, (_, i) => ({ topicId: topic.id, partition: i % partitions, batch })),
    )
  await cluster.close()
  return topic.id
}

function batchOf(timestampMs: number): Buffer {
  return encodeBatch({ records: [{ timestampMs, key: null, value: Buffer.alloc(batchBytes), headers: [] }] })
}

async function produce(
  cluster: OpenCluster,
  topicId: string,
  clock: Clock,
  goesOn: () => boolean,
  answered: (ms: number) => void,
): Promise<void> {
  const underWay: Promise<void>[] = []
  for (let n = 0; goesOn(); n++) {
    const since = clock.monotonic()
    const batches = [{ topicId, partition: n % partitions, batch: batchOf(clock.now()) }]
    underWay.push(cluster.logs.append(batches).then(() => answered(clock.monotonic() - since)))
    await clock.sleep(produceMs)
  }
  await Promise.all(underWay)
}

/** Reads all partitions from their ends on, as soon as something is there. */
async function readTail(
  cluster: OpenCluster,
  topicId: string,
  clock: Clock,
  goesOn: () => boolean,
  heard: (ms: number) => void,
): Promise<void> {
  await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      let offset = cluster.logs.offsets(topicId, partition)?.highWatermark ?? 0
      while (goesOn()) {
        await changed(cluster, topicId, partition, offset, clock)
        const { batches } = await cluster.logs.read(topicId, partition, offset, { bytesMax: fetchBytes })
        for (const batch of batchesOf(batches)) {
          heard(clock.now() - maxTimestampOf(batch))
          offset++
        }
      }
    }),
  )
}

/** Resolves when there is something from that offset on, or after half a second. */
function changed(cluster: OpenCluster, topicId: string, partition: number, offset: number, clock: Clock) {
  if ((cluster.logs.offsets(topicId, partition)?.highWatermark ?? 0) > offset) return
  return new Promise<void>((resolve) => {
    const done = () => {
      stop()
      timer.cancel()
      resolve()
    }
    const stop = cluster.logs.watch([{ topicId, partition }], done)
    const timer = clock.after(500, done)
  })
}

/** Reads all partitions as a consumer does, from some share of the backlog on, and once more from its beginning. */
async function readBacklog(
  cluster: OpenCluster,
  topicId: string,
  from: number,
  clock: Clock,
  goesOn: () => boolean,
  read: (bytes: number) => void,
): Promise<void> {
  const ends = Array.from({ length: partitions }, (_, p) => cluster.logs.offsets(topicId, p)?.highWatermark ?? 0)
  const offsets = ends.map((end) => Math.floor(end * from))
  while (goesOn()) {
    await Promise.all(
      offsets.map(async (offset, partition) => {
        const { batches, bytes } = await cluster.logs.read(topicId, partition, offset, { bytesMax: fetchBytes })
        const next = offset + batchesOf(batches).length
        offsets[partition] = next >= (ends[partition] ?? 0) ? 0 : next
        read(bytes)
      }),
    )
    await clock.sleep(takeMs)
  }
}

/** The batches of an answer, each of which holds one record. */
function batchesOf(pieces: readonly Buffer[]): Buffer[] {
  const bytes = Buffer.concat(pieces)
  const size = batchOf(0).length
  return Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

/** The store, as slow as S3, over so many connections. */
function slowStore(
  store: ObjectStore,
  clock: Clock,
  random: Random,
  connections: number,
  onGet: () => void,
): ObjectStore {
  const gate = new Gate(connections)
  const latency = (medianMs: number, bytes: number) => {
    const normal = Math.sqrt(-2 * Math.log(random.next() || 1e-9)) * Math.cos(2 * Math.PI * random.next())
    return medianMs * Math.exp(0.4 * normal) + bytes / bytesPerMs
  }
  return {
    ...store,
    kind: 'paid',
    putIfAbsent: (key, body) =>
      gate.pass(async () => {
        await clock.sleep(
          latency(
            putMs,
            body.reduce((sum, piece) => sum + piece.length, 0),
          ),
        )
        return store.putIfAbsent(key, body)
      }),
    get: (key, range) =>
      gate.pass(async () => {
        onGet()
        const object = await store.get(key, range)
        await clock.sleep(latency(getMs, object?.bytes.length ?? 0))
        return object
      }),
    close: () => Promise.resolve(),
  }
}

function percentilesOf(samples: number[]): Percentiles {
  samples.sort((a, b) => a - b)
  const at = (share: number) => samples[Math.floor(samples.length * share)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}
