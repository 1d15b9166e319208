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
const batchBytes = 100
const pollIntervalMs = 50

export interface LatencyOptions {
  writers: number
  flushIntervalMs: number
  seed: number
  /** Measured time; some seconds before it are not counted. Milliseconds. */
  ms: number
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

const warmUpMs = 5_000

/** Lets writers work on a store as S3 is, and measures in virtual time. */
export async function measureLatency({ writers, flushIntervalMs, seed, ms }: LatencyOptions): Promise<Latencies> {
  const world = new VirtualClock()
  const bucket = new MemoryBucket()
  const instances: { cluster: OpenCluster; use: StoreUse; samples: number[]; entries: number; voids: number }[] = []
  for (let writer = 0; writer < writers; writer++) {
    const process = new SimulatedProcess(world)
    const random = seededRandom(seed * 1_000 + writer)
    const use: StoreUse = { puts: 0, gets: 0, underWay: 0, underWayMax: 0 }
    const store = faultyStore(memoryStore(bucket), { process, world, random, faults: () => s3, use })
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
      flushIntervalMs,
      flushBytes: 2 ** 22,
      maxInflightEntries: 4,
      waitingBytesMax: 2 ** 28,
      pollIntervalMs,
      snapshotEntries: 1_000_000,
      cacheBytes: 2 ** 20,
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
  const topicId = await createTopic(world, instances[0]?.cluster)
  const batch = encodeBatch({
    records: [{ timestampMs: world.now(), key: null, value: Buffer.alloc(batchBytes), headers: [] }],
  })
  const begin = world.monotonic() + warmUpMs
  const end = begin + ms
  for (const { cluster, samples } of instances) {
    const offer = () => {
      const askedAtMs = world.monotonic()
      if (askedAtMs > end) return
      void cluster.logs.append([{ topicId, partition: 0, batch }]).then(() => {
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

async function createTopic(world: VirtualClock, cluster: OpenCluster | undefined): Promise<string> {
  let topicId: string | undefined
  void cluster?.topics.create({ name: 'latency', partitionCount: 1, configs: new Map() }).then(({ topic }) => {
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

/** Prints the table of `docs/simulation.md`. */
export async function printLatencies(say: (line: string) => void): Promise<void> {
  const ms = 60_000
  say(`put ${s3.putMs} ms, get ${s3.getMs} ms (medians, log-normal, sigma 0.4), a batch every ${offerMs} ms and writer`)
  say('writers  flush  sequencer p50/p99  others p50/p99  puts/s  gets/s per instance  changes/min  void parts')
  for (const flushIntervalMs of [0, 100])
    for (const writers of [1, 3, 10]) {
      const { sequencer, others, putsPerSecond, getsPerSecond, changesPerMinute, voids } = await measureLatency({
        writers,
        flushIntervalMs,
        seed: 1,
        ms,
      })
      const pair = (of: { p50: number; p99: number } | undefined) =>
        of === undefined ? '–' : `${of.p50.toFixed(0)} / ${of.p99.toFixed(0)}`
      say(
        [
          String(writers).padEnd(7),
          String(flushIntervalMs).padEnd(5),
          pair(sequencer).padEnd(17),
          pair(others).padEnd(14),
          putsPerSecond.toFixed(0).padEnd(6),
          getsPerSecond.toFixed(0).padEnd(19),
          changesPerMinute.toFixed(0).padEnd(11),
          `${(voids * 100).toFixed(1)} %`,
        ].join('  '),
      )
    }
}
