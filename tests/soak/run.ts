import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.js'
import { silentLog } from '../../src/base/log.js'
import { systemRandom } from '../../src/base/random.js'
import { directoryStore } from '../../src/state/store/directory.js'
import type { ListedObject } from '../../src/state/store/object-store.js'
import { eventually } from '../integration/clients/driver.js'
import { Cast, topics } from './cast.js'
import { Cluster } from './cluster.js'
import { Complaints } from './complaints.js'
import { mebibytes } from './figures.js'
import { harm } from './nemesis.js'
import { type SoakStore, type StoreKind, startStore } from './store.js'

export interface SoakOptions {
  minutes: number
  instances: number
  seed: number
  store: StoreKind
  /** Records a second in all. */
  rate: number
  /** Keeps the evidence of a run in which nothing was wrong, too. */
  keep: boolean
  /** What is done to the evidence folder, whose `store` has the objects, while no instance runs and before the last reading. */
  sabotage?: (folder: string) => Promise<void>
  /** Environment of the instances beside what every soak sets. */
  env?: Record<string, string>
}

export interface SoakResult {
  figures: [string, string | number][]
  /** Everything that was wrong, in words. */
  violations: string[]
  /** Where the evidence is, if there was anything wrong. */
  folder: string
}

/** Longest time after the last harm until every reader has caught up, milliseconds. */
const restMs = 120_000

/** Runs instances, clients and the nemesis for so long, lets everything come to rest, and judges. */
export async function runSoak(options: SoakOptions, say: (text: string) => void): Promise<SoakResult> {
  const folder = mkdtempSync(join(tmpdir(), `heraclitus-soak-${options.seed}-`))
  const begun = performance.now()
  const note = (text: string) => {
    const line = `${((performance.now() - begun) / 1_000).toFixed(1).padStart(7)} s  ${text}`
    appendFileSync(join(folder, 'events.log'), `${line}\n`)
    return line
  }
  say(`seed ${options.seed}, evidence in ${folder}`)
  const complaints = new Complaints()
  const store = await startStore(options.store, folder, options.seed)
  const cluster = new Cluster({ ...options, store, folder, complaints, note })
  let cast: Cast | undefined
  const ticker = setInterval(() => say(note(`${cast?.counts.acknowledged} acknowledged, ${cluster.summary()}`)), 30_000)
  const sampler = setInterval(() => cluster.sample(), 500)
  try {
    await cluster.start(topics)
    cast = new Cast(cluster.bootstrap, folder, complaints)
    cast.start(options.rate)
    const over = new AbortController()
    const timer = setTimeout(() => over.abort(), options.minutes * 60_000)
    await harm(options.seed, cluster.victims(cast), over.signal)
    clearTimeout(timer)
    await settle(cluster, cast, complaints, note, async () => {
      if (options.sabotage === undefined) return
      await cluster.destroy()
      await options.sabotage(folder)
      cluster.restart()
    })
  } catch (error) {
    complaints.add('the soak itself', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    clearInterval(ticker)
    clearInterval(sampler)
    await cast?.kill()
    await cluster.destroy()
    await store.stop()
  }
  const violations = complaints.lines()
  const figures = cast === undefined ? [] : await figuresOf(options, cast, cluster, store, complaints, folder)
  writeFileSync(join(folder, 'figures.json'), JSON.stringify({ options, figures, violations }, null, 2))
  if (violations.length === 0 && !options.keep) rmSync(folder, { recursive: true, force: true })
  return { figures, violations, folder }
}

/** After the last harm: everything is acknowledged, everybody catches up and leaves, and all is read once more. */
async function settle(
  cluster: Cluster,
  cast: Cast,
  complaints: Complaints,
  note: (text: string) => string,
  beforeLastReading: () => Promise<void>,
) {
  note('no more harm')
  cluster.soothe()
  await cast.stopProducing()
  note('producers have stopped')
  await eventually(
    'everybody has been given everything',
    restMs,
    () => Object.keys(cast.behind()).length === 0,
    () => cast.behind(),
  ).catch((error: Error) => complaints.add('stuck', error.message))
  // The last commits, and what the instances see of them.
  await sleep(2_000)
  await cast.stopReading()
  note('readers have left')
  await beforeLastReading()
  await cast.lastReadings(cluster.instances.map(({ bootstrap }) => bootstrap))
  cast.judgeGroups()
  note('all was read once more')
  await cluster.stop()
  note(await cluster.verify())
}

async function figuresOf(
  options: SoakOptions,
  cast: Cast,
  cluster: Cluster,
  store: SoakStore,
  complaints: Complaints,
  folder: string,
): Promise<[string, string | number][]> {
  const { acknowledged, read, repeated, commits, generations } = cast.counts
  const { latencies } = cast
  const { objects, bytes, lastEntry } = await contentOf(options.store, join(folder, 'store'))
  return [
    ['seed', options.seed],
    ['minutes', options.minutes],
    ['instances', options.instances],
    ['store', options.store],
    ['records acknowledged', acknowledged],
    ['records lost', complaints.count('lost')],
    ['records duplicated (idempotent producers)', complaints.count('duplicated')],
    ['records reordered', complaints.count('reordered')],
    ['records refused', cast.failedCount],
    ['records repeated (plain producer)', repeated],
    ['records read and compared', read],
    ['readings from the start', cast.passes],
    ['commits acknowledged', commits],
    ['group generations, at most', generations],
    ['topics made, filled, read, deleted', cast.rounds],
    ['produce latency p50, ms', latencies.quantile(0.5)],
    ['produce latency p99, ms', latencies.quantile(0.99)],
    ['longest time without an acknowledgement, ms', cast.silenceMaxMs],
    ['group members killed', cast.memberKills],
    ['client processes that ended by themselves', cast.crashes],
    ...cluster.figures(),
    ['S3 server restarts', store.restarts],
    ['faults injected by the proxy', store.faults()],
    ['ledger entries written', lastEntry],
    ['objects in the end', [...objects].map(([kind, count]) => `${kind} ${count}`).join(', ')],
    ['bytes in the end', mebibytes(bytes)],
    ['violations', complaints.count()],
  ]
}

/** What a store holds: objects by their kind, their bytes, and how many entries the ledger has ever had. */
async function contentOf(
  kind: StoreKind,
  folder: string,
): Promise<{ objects: Map<string, number>; bytes: number; lastEntry: number }> {
  const objects = new Map<string, number>()
  let bytes = 0
  let lastEntry = 0
  for await (const { key, size } of kind === 'file' ? objectsIn(folder) : filesBelow(folder)) {
    const of = /(?:^|\/)(ledger|lanes|segments|snapshots|writers)\//.exec(key)?.[1] ?? 'other'
    objects.set(of, (objects.get(of) ?? 0) + 1)
    bytes += size
    if (of === 'ledger') lastEntry = Math.max(lastEntry, Number(key.slice(key.lastIndexOf('/') + 1)))
  }
  return { objects, bytes, lastEntry }
}

/** The objects of a directory store. */
async function* objectsIn(path: string): AsyncGenerator<ListedObject> {
  const surroundings = { clock: systemClock, random: systemRandom, log: silentLog() }
  const store = await directoryStore({ path, readOnly: true, ...surroundings })
  yield* store.list('')
  await store.close()
}

/** What an S3 server keeps: also for itself, but that is next to nothing. */
async function* filesBelow(folder: string): AsyncGenerator<ListedObject> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) yield { key: path.slice(folder.length + 1), size: (await stat(path)).size }
  }
}
