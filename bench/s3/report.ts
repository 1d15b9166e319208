import { median, ratios, show, table } from '../tables.js'
import { type FannedOut, manyRate, type Place, paceRate, type Requests, type Throughput, type Waited } from './parts.js'

export interface S3Report {
  command: string
  date: string
  machine: readonly (readonly [string, string])[]
  putMs: number
  getMs: number
  /** These come on top of what the server takes. */
  isOnTop: boolean
  /** What a put and a get took that were to take exactly `putMs` and `getMs`. */
  requests: { putMs: number; getMs: number }
  seconds: number
  waited: (Waited & { settings: string; instances: number; requests: Requests })[]
  fannedOut: FannedOut[]
  throughput: (Throughput & { system: string; load: string; requests: Requests })[]
  roundTrips: { system: string; p50Ms: number; p99Ms: number }[]
  complaints: string[]
  /** Why a peer is missing. */
  skipped?: string
}

/** What is aimed at: p50 and p99 in milliseconds, by settings and place. */
const targets: Record<string, Record<Place, readonly [number, number]>> = {
  default: { sequencer: [115, 225], elsewhere: [270, 420] },
  'low-latency': { sequencer: [85, 170], elsewhere: [190, 280] },
}

/** All of it as Markdown. */
export function reportOf(report: S3Report): string {
  const { command, date, putMs, getMs, isOnTop, requests, complaints, skipped } = report
  return `# Results on S3

Measured by \`${command}\` on ${date}: real processes and clients, a local S3 server (Versity S3 Gateway) and before it a proxy
that makes each request take a log-normal time, median ${putMs} ms a put and ${getMs} ms a get (spread 0.4), ${isOnTop ? 'on top of' : 'in which is'}
what the server takes, all on one machine. A put that is to take exactly ${putMs} ms took the gateway's client ${show(requests.putMs)} ms, and
a get that is to take ${getMs} took ${show(requests.getMs)}. Requests are counted by the proxy.

${table(['machine', ''], report.machine)}
${report.waited.length > 0 ? latencySection(report) : ''}${fanOutSection(report)}${report.throughput.length > 0 ? throughputSection(report) : ''}${
  skipped === undefined ? '' : `\n${skipped}\n`
}${complaints.length > 0 ? `\n## Failures\n\n${complaints.map((what) => `- ${what}`).join('\n')}\n` : ''}`
}

function latencySection({ waited }: S3Report): string {
  const rows = waited.map(({ settings, instances, producer, place, isStart, p50Ms, p99Ms, requests }) => {
    const [p50, p99] = targets[settings]?.[place] ?? []
    const met = (value: number, target = Number.NaN) =>
      isStart ? show(value) : `${show(value)} ${value <= target ? '≤' : '>'} ${target}`
    return [
      ...[settings, String(instances), producer, place, met(p50Ms, p50), met(p99Ms, p99)],
      show(requests.puts / requests.seconds),
      show(requests.gets / requests.seconds),
    ]
  })
  return `## What producers wait for

From send to acknowledgement, acks=all, records of 1 KiB to 8 partitions. A default producer is librdkafka as it comes (linger 5 ms),
at ${paceRate} records/s; many are connections with one request under way each, ${manyRate} records/s together. What each does in its first
second is left out; how long many wait in it, when all instances begin to write at once, is in rows of its own. Several instances are behind
one address. Requests are those of all instances, a second, over the whole of the load.

${table(['settings', 'instances', 'producer', 'at', 'p50 ms, aim', 'p99 ms, aim', 'puts/s', 'gets/s'], rows)}
`
}

function fanOutSection({ fannedOut }: S3Report): string {
  if (fannedOut.length === 0) return ''
  const rows = fannedOut.map((one) => [
    ...[String(one.groups), show(one.p50Ms), show(one.p99Ms), show(one.getsPerMegabyte)],
    ...[show(one.megabytesGotPerMegabyte), show(one.cpuPerGigabyteDelivered)],
  ])
  const head = [
    'groups',
    'p50 ms',
    'p99 ms',
    'gets per MB written',
    'MB read per MB written',
    'server CPU s per GB delivered',
  ]
  return `
## Groups at the tail of what is written elsewhere

One producer writes 5,000 records of 1 KiB a second at one instance, groups of one consumer read them at another, which is the one
that is counted; time is from send to consumption. What the store is asked for does not depend on how many read.

${table(head, rows)}
`
}

function throughputSection({ throughput, roundTrips, seconds }: S3Report): string {
  const systems = [...new Set(throughput.map(({ system }) => system))]
  const loads = [...new Set(throughput.map(({ load }) => load))]
  const rows = loads.flatMap((load) =>
    systems.flatMap((system) => {
      const found = throughput.filter((one) => one.load === load && one.system === system)
      if (found.length === 0) return []
      const middle = (of: (one: (typeof found)[number]) => number) => show(median(found.map(of)))
      return [
        [
          ...[
            load,
            system,
            middle((one) => one.megabytesPerSecond),
            middle((one) => one.p50Ms),
            middle((one) => one.p99Ms),
          ],
          middle(({ requests }) => requests.puts / requests.seconds),
          middle(({ requests }) => requests.gets / requests.seconds),
          middle((one) => one.cpuPerGigabyte),
          middle((one) => one.rssMib),
        ],
      ]
    }),
  )
  const trips = systems.map((system) => roundTrips.filter((one) => one.system === system))
  const tripRows = (['p50Ms', 'p99Ms'] as const).map((key) => {
    const medians = trips.map((found) => median(found.map((one) => one[key])))
    return [key === 'p50Ms' ? 'p50 ms' : 'p99 ms', ...medians.map(show), ...ratios(medians)]
  })
  const rates = systems.map((system) =>
    median(
      throughput
        .filter((one) => one.system === system && one.load.startsWith('one '))
        .map((one) => one.megabytesPerSecond),
    ),
  )
  const [ratio] = ratios(rates)
  const beside = ratio === undefined ? '' : `\nOne default producer: ${ratio} × Tansu's MB/s.\n`
  return `
## What goes through one process

Default settings, one instance, ${seconds} s each, medians. Requests are counted from the topic's creation to its deletion.

${table(['load', 'server', 'MB/s', 'p50 ms', 'p99 ms', 'puts/s', 'gets/s', 'server CPU s/GB', 'server RSS MiB'], rows)}${beside}
## Round trip

One record of 1 KiB at a time, from librdkafka's producer (no lingering) to its consumer; medians.

${table(['', ...systems, ...(systems.length === 2 ? ['ratio'] : [])], tripRows)}`
}
