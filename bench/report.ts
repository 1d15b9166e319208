import { type Mode, nameOf } from './loads.js'
import { type MicroRate, microSection } from './micro.js'
import type { Measurement } from './rounds.js'
import { type ScenarioRun, scenarioSections } from './scenarios/report.js'
import type { StartUp } from './start-up.js'
import { median, ratioHead, ratios, show, table } from './tables.js'

export interface Report {
  command: string
  date: string
  machine: readonly (readonly [string, string])[]
  /** Names of the servers, the gateway's first. */
  sides: readonly string[]
  rounds: number
  startUps: ReadonlyMap<string, readonly StartUp[]>
  measurements: readonly Measurement[]
  scenarioRuns: readonly ScenarioRun[]
  microRates: readonly MicroRate[]
  failures: readonly string[]
}

/** A figure that can be compared; ratios are ours divided by the peer's. */
export interface Figure {
  title: string
  isBetter: 'higher' | 'lower'
  of(one: Measurement): number | null
}

const rate: Figure = { title: 'records/s', isBetter: 'higher', of: (one) => one.records / one.seconds }
const serverCpu: Figure = {
  title: 'server CPU s/M',
  isBetter: 'lower',
  of: (one) => (one.serverCpuSeconds * 1e6) / one.records,
}
const p50: Figure = { title: 'p50 ms', isBetter: 'lower', of: (one) => one.p50Ms }
const p99: Figure = { title: 'p99 ms', isBetter: 'lower', of: (one) => one.p99Ms }
const rss: Figure = { title: 'server RSS MiB', isBetter: 'lower', of: (one) => one.serverRssMib }
const megabytes: Figure = {
  title: 'MB/s',
  isBetter: 'higher',
  of: (one) => (one.records * one.load.size) / 1e6 / one.seconds,
}

/** Medians and ratios of everything measured, then each figure's least, median and most; Markdown. */
export function reportOf(report: Report): string {
  const loads = loadsIn(report.measurements)
  const spread = loads.size === 0 ? '' : `## Least, median and most\n\n${spreadTable(report, loads)}`
  return `# Results

Measured by \`${report.command}\` on ${report.date}: ${report.rounds} rounds, the servers in turn on one machine
together with the load programs. Medians; a ratio is ${report.sides[0]}'s figure divided by ${report.sides[1] ?? 'the peer'}'s.
Server CPU seconds per million records (user and system time of the server's process) is the figure that neighbours on
the machine disturb least. What each load does: [load/README.md](load/README.md); \`paced\` sends 5,000 records a second.

Durability: without \`fsync\` both servers acknowledge what the operating system's page cache has (Kafka's default; the
gateway with \`[storage] fsync = false\`). With \`fsync\` both acknowledge what was flushed to the disk (the gateway's
default; Kafka with \`flush.messages=1\` on the topic). Replication: none. Group start delay: none on both. Both
servers are started anew for each durability and keep running over all its loads, so that their just-in-time compilers
have seen as much; one run at a quarter of the size goes before and is not counted. Where the machine lends free memory to its host, some GB of it are taken back before each run (lent-memory.ts).

${table(['machine', ''], [...report.machine, ...clientVersions(report.measurements)])}
${report.startUps.size > 0 ? `## Start-up and idleness\n\n${startUpTable(report)}\n` : ''}
${[...loads].map(([mode, found]) => `## ${mode}\n\n${modeTable(report, mode, found)}`).join('\n')}
${scenarioSections(report.scenarioRuns)}
${microSection(report.microRates)}${spread}
${report.failures.length > 0 ? `## Failures\n\n${report.failures.map((what) => `- ${what}`).join('\n')}\n` : ''}`
}

/** One measurement in a line, for who watches. */
export function lineOf(one: Measurement): string {
  const figures = [rate, megabytes, serverCpu, p50, p99, rss].flatMap((figure) => {
    const value = figure.of(one)
    return value === null ? [] : [`${show(value)} ${figure.title}`]
  })
  return `${nameOf(one.load)}, ${one.mode}, ${one.side}: ${figures.join(', ')}`
}

/** What is told of a mode. */
export function figuresOf(mode: Mode): readonly Figure[] {
  return {
    produce: [rate, serverCpu, megabytes, rss],
    consume: [rate, serverCpu, megabytes, rss],
    'round-trip': [p50, p99, serverCpu],
    paced: [p50, p99, serverCpu],
  }[mode]
}

function modeTable({ sides, measurements }: Report, mode: Mode, loads: readonly string[]): string {
  const figures = figuresOf(mode)
  const head = figures.flatMap(({ title }) => [...sides.map((side) => `${title}, ${side}`), ...ratioHead(sides)])
  const rows = loads.map((load) => [
    load,
    ...figures.flatMap((figure) => {
      const medians = sides.map((side) => median(valuesOf(measurements, figure, mode, load, side)))
      return [...medians.map(show), ...ratios(medians)]
    }),
  ])
  return table(['load', ...head], rows)
}

function spreadTable({ sides, measurements }: Report, loads: Map<Mode, string[]>): string {
  const rows: string[][] = []
  for (const [mode, names] of loads)
    for (const load of names)
      for (const side of sides) {
        const spread = [rate, serverCpu, p50, p99, rss].map((figure) => {
          const values = valuesOf(measurements, figure, mode, load, side)
          if (values.length === 0) return '–'
          return [Math.min(...values), median(values), Math.max(...values)].map(show).join(' / ')
        })
        rows.push([`${load}, ${mode}`, side, ...spread])
      }
  return table(['load', 'server', ...[rate, serverCpu, p50, p99, rss].map(({ title }) => title)], rows)
}

function startUpTable({ sides, startUps }: Report): string {
  const figures: [string, (one: StartUp) => number][] = [
    ['process start to first ApiVersions answer, ms', (one) => one.startMs],
    ['idle RSS, MiB', (one) => one.idleRssMib],
    ['idle CPU, % of a core', (one) => one.idleCpu * 100],
  ]
  const rows = figures.map(([title, of]) => {
    const all = sides.map((side) => (startUps.get(side) ?? []).map(of))
    const shown = all.map((values) =>
      values.length === 0 ? '–' : [Math.min(...values), median(values), Math.max(...values)].map(show).join(' / '),
    )
    return [title, ...shown, ...ratios(all.map(median))]
  })
  return table(['least / median / most', ...sides, ...ratioHead(sides)], rows)
}

/** The loads of each mode, both in the order in which they ran. */
function loadsIn(measurements: readonly Measurement[]): Map<Mode, string[]> {
  const found = new Map<Mode, string[]>()
  for (const { load, mode } of measurements) {
    const names = found.get(mode) ?? []
    if (!names.includes(nameOf(load))) found.set(mode, [...names, nameOf(load)])
  }
  return found
}

function valuesOf(all: readonly Measurement[], figure: Figure, mode: Mode, load: string, side: string): number[] {
  const ours = all.filter((one) => one.mode === mode && nameOf(one.load) === load && one.side === side)
  return ours.map((one) => figure.of(one)).filter((value) => value !== null)
}

function clientVersions(measurements: readonly Measurement[]): [string, string][] {
  return [...new Map(measurements.map(({ client, version }) => [client, version]))]
}
