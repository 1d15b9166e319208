import { silentLog } from '../../src/base/log.js'
import { seededRandom } from '../../src/base/random.js'
import { encodeBatch } from '../../src/protocol/records/record.js'
import { type LedgerObserver, noLedgerObserver } from '../../src/state/ledger/observer.js'
import { type OpenCluster, openCluster } from '../../src/state/open-cluster.js'
import { MemoryBucket, memoryStore } from '../../src/state/store/memory.js'
import { faultyStore, noFaults, type StoreUse } from './faulty-store.js'
import { SimulatedProcess } from './process.js'
import { VirtualClock } from './virtual-clock.js'

/** As published measurements have S3 Standard: median times of a put and a get, milliseconds. */
const s3 = { putMs: 60, getMs: 30, ...noFaults }
/** Each writer is offered a batch this often, milliseconds: always something to do. */
const offerMs = 5
const batchBytesMin = 100

export interface LatencyOptions {
  writers: number
  /**
   * One unless given. Of several each writer writes to the partition of one, as clients do that are steered; `isScattered`:
   * to partitions of all in turn, as they do behind a load balancer.
   */
  ledgers?: number
  isScattered?: boolean
  flushIntervalMs: number
  /** 50 and 4 unless given, as on S3. */
  pollIntervalMs?: number
  maxInflightEntries?: number
  /** Share of requests that take up to half a second longer; none unless given. */
  outliers?: number
  /** Median time of a put, milliseconds; 60 unless given. */
  putMs?: number
  /** Bytes of all writers' records together, per second; few unless given. */
  bytesPerSecond?: number
  /** Each instance has a consumer at the tail. */
  isConsumed?: boolean
  seed: number
  /** Measured time, milliseconds. */
  ms: number
  /** Writers that were silent begin to write so long before it, milliseconds; 5,000 unless given. */
  warmUpMs?: number
}

/** Times from a request to its answer, milliseconds; requests to the store per second and instance. */
export interface Latencies {
  /** Of the writer that ordered most entries. */
  sequencer: { p50: number; p99: number }
  others: { p50: number; p99: number } | undefined
  putsPerSecond: number
  getsPerSecond: number
  /** How often another writer became the sequencer, per minute. */
  changesPerMinute: number
  /** Share of parts that were void. */
  voids: number
}

const warmUpMsDefault = 5_000
/** Nobody writes for so long before, milliseconds. */
const silentMs = 3_000

/** Lets writers work on a store as S3 is, and measures in virtual time. */
export async function measureLatency(options: LatencyOptions): Promise<Latencies> {
  const { writers, flushIntervalMs, pollIntervalMs = 50, maxInflightEntries = 4, seed, ms } = options
  const { ledgers = 1, isScattered = false } = options
  const { warmUpMs = warmUpMsDefault, outliers = 0, putMs = s3.putMs, bytesPerSecond = 0, isConsumed = false } = options
  const faults = { ...s3, outliers, putMs }
  const batchBytes = Math.max(batchBytesMin, Math.round((bytesPerSecond * offerMs) / 1_000 / writers))
  const world = new VirtualClock()
  const bucket = new MemoryBucket()
  const instances: { cluster: OpenCluster; use: StoreUse; samples: number[]; entries: number; voids: number }[] = []
  for (let writer = 0; writer < writers; writer++) {
    const process = new SimulatedProcess(world)
    const random = seededRandom(seed * 1_000 + writer)
    const use: StoreUse = { puts: 0, gets: 0, underWay: 0, underWayMax: 0 }
    const store = faultyStore(
      { ...memoryStore(bucket), kind: 'paid' },
      { process, world, random, faults: () => faults, use },
    )
    const instance = { use, samples: [] as number[], entries: 0, voids: 0 }
    const ledgerObserver: LedgerObserver = {
      ...noLedgerObserver,
      entryApplied(own) {
        if (own) instance.entries++
      },
      partVoid() {
        instance.voids++
      },
    }
    const settings = {
      ledgers,
      flushIntervalMs,
      flushBytes: 2 ** 22 - 2 ** 16,
      maxInflightEntries,
      waitingBytesMax: 2 ** 28,
      pollIntervalMs,
      snapshotEntries: 1_000_000,
      cacheBytes: 2 ** 26,
    }
    const log = silentLog()
    const onFatal = (error: Error) => {
      throw error
    }
    const clock = process.clock
    void openCluster({ store, clock, random, log, settings, ledgerObserver, onFatal }).then((cluster) =>
      instances.push(Object.assign(instance, { cluster })),
    )
  }
  await world.run(60_000, () => instances.length === writers)
  const topicId = await createTopic(world, instances[0]?.cluster, ledgers)
  const batch = encodeBatch({
    records: [{ timestampMs: world.now(), key: null, value: Buffer.alloc(batchBytes), headers: [] }],
  })
  if (isConsumed) for (const { cluster } of instances) void consume(cluster, topicId, batch.length)
  await world.run(world.monotonic() + silentMs)
  const begin = world.monotonic() + warmUpMs
  const end = begin + ms
  for (const [writer, { cluster, samples }] of instances.entries()) {
    let partition = writer
    const offer = () => {
      const askedAtMs = world.monotonic()
      if (askedAtMs > end) return
      if (isScattered) partition++
      void cluster.logs.append([{ topicId, partition: partition % ledgers, batch }]).then(() => {
        if (askedAtMs >= begin) samples.push(world.monotonic() - askedAtMs)
      })
      world.after(offerMs, offer)
    }
    world.after(seededRandom(samples.length).next() * offerMs, offer)
  }
  await world.run(begin)
  for (const instance of instances) Object.assign(instance.use, { puts: 0, gets: 0 })
  for (const instance of instances) Object.assign(instance, { entries: 0, voids: 0 })
  let changes = 0
  let sequencer: unknown
  const counts = new Map(instances.map((instance) => [instance, 0]))
  for (let atMs = begin; atMs < end; atMs += 250) {
    await world.run(atMs)
    const [busiest] = instances.reduce(
      (best, instance) => {
        const count = instance.entries - (counts.get(instance) ?? 0)
        counts.set(instance, instance.entries)
        return count > best[1] ? ([instance, count] as const) : best
      },
      [undefined, 0] as readonly [unknown, number],
    )
    if (busiest !== undefined && busiest !== sequencer) {
      if (sequencer !== undefined) changes++
      sequencer = busiest
    }
  }
  await world.run(end)
  const requests = instances.map(({ use }) => ({ ...use }))
  await world.run(end + 10_000)
  instances.sort((a, b) => b.entries - a.entries)
  const [first, ...rest] = instances
  const perSecond = (count: (use: StoreUse) => number) =>
    (requests.reduce((sum, use) => sum + count(use), 0) * 1_000) / ms / writers
  const parts = bucket.objects.size
  return {
    sequencer: percentiles(first?.samples ?? []),
    others: rest.length === 0 ? undefined : percentiles(rest.flatMap(({ samples }) => samples)),
    putsPerSecond: perSecond(({ puts }) => puts),
    getsPerSecond: perSecond(({ gets }) => gets),
    changesPerMinute: (changes * 60_000) / ms,
    voids: (first?.voids ?? 0) / parts,
  }
}

/** Reads all that is written, as soon as it is there; batches have one size and one record each. */
async function consume({ logs }: OpenCluster, topicId: string, batchLength: number): Promise<void> {
  for (let offset = 0; ; ) {
    const { bytes } = await logs.read(topicId, 0, offset, { bytesMax: 2 ** 23 })
    offset += bytes / batchLength
    if (bytes > 0 || logs.available(topicId, 0, offset, 1) > 0) continue
    await new Promise<void>((resolve) => {
      const stop = logs.watch([{ topicId, partition: 0 }], () => {
        stop()
        resolve()
      })
    })
  }
}

async function createTopic(
  world: VirtualClock,
  cluster: OpenCluster | undefined,
  partitionCount: number,
): Promise<string> {
  let topicId: string | undefined
  void cluster?.topics.create({ name: 'latency', partitionCount, configs: new Map() }).then(({ topic }) => {
    topicId = topic?.id
  })
  await world.run(world.monotonic() + 60_000, () => topicId !== undefined)
  if (topicId === undefined) throw new Error('the topic could not be created')
  return topicId
}

function percentiles(samples: number[]): { p50: number; p99: number } {
  samples.sort((a, b) => a - b)
  const at = (share: number) => samples[Math.floor(samples.length * share)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

/** The settings measured: none of S3's own, S3's defaults, those for low latency, and the defaults with rare slow requests. */
const tables = [
  { name: 'flush 0', flushIntervalMs: 0 },
  { name: 'default', flushIntervalMs: 100 },
  { name: 'low latency', flushIntervalMs: 20, maxInflightEntries: 8, pollIntervalMs: 10 },
  { name: 'default, 0.5 % slow', flushIntervalMs: 100, outliers: 0.005 },
]

/** Several ledgers at S3's defaults: each written by those who are steered to it, or all by everybody. */
const spreadRows = [
  { name: '3 ledgers', flushIntervalMs: 100, ledgers: 3, writers: 3 },
  { name: '10 ledgers', flushIntervalMs: 100, ledgers: 10, writers: 10 },
  { name: '3 ledgers', flushIntervalMs: 100, ledgers: 3, writers: 10 },
  { name: '3, scattered', flushIntervalMs: 100, ledgers: 3, writers: 3, isScattered: true },
]

/** Prints the table of `docs/simulation.md`. */
export async function printLatencies(say: (line: string) => void): Promise<void> {
  const ms = 60_000
  say(`put ${s3.putMs} ms, get ${s3.getMs} ms (medians, log-normal, sigma 0.4), a batch every ${offerMs} ms and writer`)
  say(
    'writers  settings             sequencer p50/p99  others p50/p99  puts/s  gets/s per instance  changes/min  voids',
  )
  const rows = tables.flatMap((settings) => [1, 3, 10].map((writers) => ({ ...settings, writers })))
  for (const { name, writers, ...settings } of [...rows, ...spreadRows]) {
    const found = await measureLatency({ ...settings, writers, seed: 1, ms })
    const pair = (of: { p50: number; p99: number } | undefined) =>
      of === undefined ? '–' : `${of.p50.toFixed(0)} / ${of.p99.toFixed(0)}`
    say(
      [
        String(writers).padEnd(7),
        name.padEnd(19),
        pair(found.sequencer).padEnd(17),
        pair(found.others).padEnd(14),
        found.putsPerSecond.toFixed(0).padEnd(6),
        found.getsPerSecond.toFixed(0).padEnd(19),
        found.changesPerMinute.toFixed(0).padEnd(11),
        `${(found.voids * 100).toFixed(1)} %`,
      ].join('  '),
    )
  }
}
