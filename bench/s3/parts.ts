import { setTimeout as sleep } from 'node:timers/promises'
import { pythonProgram } from '../generators.js'
import { type LoadReport, load, onTopic, type ScenarioSide } from '../scenarios/scenario.js'
import { type Samples, scrape } from '../scrape.js'
import { usageOf } from '../usage.js'
import { ownEntries, type System } from './systems.js'

const partitions = 8
const size = 1024
/** Many producers: connections, and records a second of all together. */
export const manyConnections = 60
export const manyRate = 120
/** Records a second of a producer with its client's own settings. */
export const paceRate = 500
/** As much at once as fills a flush interval. */
const fullLoad = { mode: 'raw-produce', connections: 128, 'batch-records': 256, size }
const settleMs = 2_000

/** Where a record went in: at the instance that orders everything, or at another. */
export type Place = 'sequencer' | 'elsewhere'

/** How long producers waited. */
export interface Waited {
  producer: string
  place: Place
  /** In the first second, in which instances that were silent find out who orders. */
  isStart?: true
  p50Ms: number
  p99Ms: number
}

/** What was asked of the store while something went on, by its proxy's count. */
export interface Requests {
  seconds: number
  puts: number
  gets: number
  lists: number
}

/** What the processes of a system used. */
export interface Throughput {
  megabytesPerSecond: number
  p50Ms: number
  p99Ms: number
  cpuPerGigabyte: number
  rssMib: number
}

const complain = (what: string) => void process.stderr.write(`${what}\n`)
const sideOf = ({ name, front }: System): ScenarioSide => ({ name, server: front })
const figuresOf = (report: LoadReport) => ({ p50Ms: report.figure('p50Ms'), p99Ms: report.figure('p99Ms') })

/** Counts the requests to the store during some work. */
export async function countingRequests<T>(
  { proxy }: System,
  work: () => Promise<T>,
): Promise<Requests & { result: T }> {
  const before = new Map(proxy.counts)
  const startedAt = performance.now()
  const result = await work()
  const count = (...methods: string[]) =>
    methods.reduce((sum, method) => sum + (proxy.counts.get(method) ?? 0) - (before.get(method) ?? 0), 0)
  const seconds = (performance.now() - startedAt) / 1000
  return { result, seconds, puts: count('PUT'), gets: count('GET', 'HEAD'), lists: count('LIST') }
}

/** A producer with its client's defaults at a moderate pace, and nobody else: it is ordered where it writes. */
export function oneProducer(system: System, seconds: number): Promise<Waited[]> {
  return onTopic(sideOf(system), partitions, complain, async (topic) => {
    const report = await paced(system, topic, seconds)
    return [{ producer: 'one default librdkafka, alone', place: 'sequencer', ...figuresOf(report) }]
  })
}

/** Many producers at all instances, and beside them one with its client's defaults at the sequencer, then elsewhere. */
export function manyProducers(system: System, seconds: number): Promise<Waited[]> {
  return onTopic(sideOf(system), partitions, complain, async (topic) => {
    const { address } = system
    const places: Place[] = address === undefined ? ['sequencer'] : ['sequencer', 'elsewhere']
    const each = seconds + settleMs / 1000
    const length = (2 * settleMs) / 1000 + places.length * each
    const flags = { mode: 'raw-produce', connections: manyConnections, rate: manyRate, size, each: true }
    const many = load(sideOf(system), topic, { ...flags, seconds: length })
    // A failure is thrown where it is awaited.
    many.catch(() => undefined)
    await sleep(settleMs)
    const before = await ownEntries(system)
    await sleep(settleMs)
    const found: Waited[] = []
    const sequencer = busiest(before, await ownEntries(system))
    for (const place of places) {
      if (address) address.only = place === 'sequencer' ? sequencer : (sequencer + 1) % system.instances.length
      const report = await onTopic(sideOf(system), partitions, complain, (other) => paced(system, other, seconds))
      found.push({ producer: 'one default librdkafka among many', place, ...figuresOf(report) })
    }
    if (address) address.only = undefined
    const connections = (await many).raw.connections as { port: number; latenciesMs: number[] }[]
    for (const place of places) {
      const here = connections.filter(({ port }) => {
        const isAtSequencer = address === undefined || address.targetOf(port) === sequencer
        return isAtSequencer === (place === 'sequencer')
      })
      const atStart = manyRate / manyConnections
      const ofAll = (part: (latenciesMs: number[]) => number[]) => here.flatMap(({ latenciesMs }) => part(latenciesMs))
      const later = ofAll((latenciesMs) => latenciesMs.slice(atStart))
      found.push({ producer: `many (${manyConnections} connections)`, place, ...waitedOf(later) })
      const first = ofAll((latenciesMs) => latenciesMs.slice(0, atStart))
      if (address) found.push({ producer: 'many, their first second', place, ...waitedOf(first), isStart: true })
    }
    return found
  })
}

function waitedOf(latenciesMs: number[]): { p50Ms: number; p99Ms: number } {
  latenciesMs.sort((a, b) => a - b)
  const part = (share: number) => latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? Number.NaN
  return { p50Ms: part(0.5), p99Ms: part(0.99) }
}

function busiest(before: readonly number[], after: readonly number[]): number {
  const made = after.map((entries, index) => entries - (before[index] ?? 0))
  return made.indexOf(Math.max(...made))
}

/** The first second, in which a client finds its way, is left out. */
async function paced(system: System, topic: string, seconds: number): Promise<LoadReport> {
  const records = Math.ceil(paceRate * (seconds + 1))
  const flags = { mode: 'produce', records, rate: paceRate, linger: true, skip: paceRate, size }
  const program = await pythonProgram()
  return load(sideOf(system), topic, flags, { program })
}

/** What it takes to bring what one instance stores to groups that read at another. */
export interface FannedOut {
  groups: number
  p50Ms: number
  p99Ms: number
  /** Of the instance at which the groups read, per megabyte written. */
  getsPerMegabyte: number
  megabytesGotPerMegabyte: number
  cpuPerGigabyteDelivered: number
}

/** Groups at the tail of what is written elsewhere, each of which checks every record. */
export async function fanOut(system: System, groups: number, seconds: number): Promise<FannedOut> {
  const [writer, reader] = system.instances
  if (writer === undefined || reader === undefined) throw new Error('two instances are needed')
  const rate = 5_000
  const megabytes = (rate * seconds * size) / 1e6
  const side = { name: system.name, server: reader }
  return onTopic(side, partitions, complain, async (topic) => {
    const before = await scrape(reader.metricsUrl)
    const flags = { mode: 'fan-out', members: groups, records: rate * seconds, rate, size }
    const report = await load(side, topic, { ...flags, 'produce-to': writer.bootstrap })
    const after = await scrape(reader.metricsUrl)
    const counted = (...of: Parameters<Samples>) => after(...of) - before(...of)
    return {
      groups,
      ...figuresOf(report),
      getsPerMegabyte: counted('heraclitus_store_requests_total', { operation: 'get', outcome: 'ok' }) / megabytes,
      megabytesGotPerMegabyte: counted('heraclitus_store_bytes_total', { operation: 'get' }) / 1e6 / megabytes,
      cpuPerGigabyteDelivered: (report.during('fan-out').cpuSeconds * 1e3) / (megabytes * groups),
    }
  })
}

/** As much as goes through one process: large requests on many connections. */
export function full(system: System, seconds: number): Promise<Throughput> {
  return measuredOn(system, async (topic) => {
    const report = await load(sideOf(system), topic, { ...fullLoad, seconds })
    return { report, bytes: report.figure('bytes'), seconds: report.during('produce').seconds }
  })
}

/** As much as one producer with its client's defaults gets through. */
export function fullDefault(system: System, seconds: number): Promise<Throughput> {
  return measuredOn(system, async (topic) => {
    const program = await pythonProgram()
    const report = await load(
      sideOf(system),
      topic,
      { mode: 'produce', records: 3_000_000, seconds, size },
      { program },
    )
    return { report, bytes: report.figure('records') * size, seconds: report.figure('seconds') }
  })
}

/** One record at a time, from its producer to its consumer. */
export function roundTrips(system: System, count: number): Promise<{ p50Ms: number; p99Ms: number }> {
  return onTopic(sideOf(system), partitions, complain, async (topic) => {
    const program = await pythonProgram()
    return figuresOf(await load(sideOf(system), topic, { mode: 'round-trip', records: count, size }, { program }))
  })
}

async function measuredOn(
  system: System,
  work: (topic: string) => Promise<{ report: LoadReport; bytes: number; seconds: number }>,
): Promise<Throughput> {
  return onTopic(sideOf(system), partitions, complain, async (topic) => {
    const used = () => system.pids.map(usageOf)
    const cpu = () => used().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
    const before = cpu()
    const { report, bytes, seconds } = await work(topic)
    return {
      megabytesPerSecond: bytes / 1e6 / seconds,
      ...figuresOf(report),
      cpuPerGigabyte: ((cpu() - before) * 1e9) / bytes,
      rssMib: Math.max(...used().map(({ rssMib }) => rssMib)),
    }
  })
}
