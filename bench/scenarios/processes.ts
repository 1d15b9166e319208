import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { startGateway } from '../servers/gateway.js'
import type { Durability } from '../servers/server.js'
import { usageOf, withDescendants } from '../usage.js'
import { type Figures, load, onTopic, type Scenario, type ScenarioSide, stopAll } from './scenario.js'

const partitions = 16
const connections = 128
const [one, two] = ['1 process', '2 processes']

/** Loads whose program costs next to nothing beside the server, with what is counted of each; what writes most comes last. */
const loads = [
  { key: 'small', title: 'produce, 1 × 100 B a request', mode: 'raw-produce', size: 100, batch: 1, isFilled: false },
  { key: 'fetch', title: 'fetch of 1 KiB records', mode: 'raw-fetch', size: 1024, batch: 64, isFilled: true },
  { key: 'large', title: 'produce, 64 × 1 KiB a request', mode: 'raw-produce', size: 1024, batch: 64, isFilled: false },
] as const

const places = ['anywhere', 'one core'] as const

/** What a second process on the second core gives. */
export const processes = scaledTo('processes', 'page cache', loads)
/** The same where each record is flushed before it is acknowledged, as is the default. */
export const processesWithFsync = scaledTo(
  'processes-fsync',
  'fsync',
  loads.filter(({ mode }) => mode === 'raw-produce'),
)

function scaledTo(name: string, durability: Durability, chosen: readonly (typeof loads)[number][]): Scenario {
  return {
    name,
    about: `The gateway with \`processes = 1\` and \`processes = 2\`, durability: ${durability}; ${connections} connections, each with one
request under way. *Anywhere*: servers and load program share this machine's cores as the system likes, so the program takes what the
second process could use. *One core*: all processes of the server are bound to one core (\`taskset\`) and the program to another, so
the server alone is the limit, and the ratio is what one core gives when two processes share it: twice that is what two such cores
would give, if nothing but processors limits them. Where one process has little of the CPU time, its clients wait for something else.
The servers are started anew for each round, since what one has written in the round before would be removed while another is measured.`,
    figures: chosen.flatMap(({ key, title }) =>
      places.flatMap((place) => [
        { key: `${key}, ${place}`, title: `records/s, ${title}, ${place}`, isBetter: 'higher' as const },
        { key: `${key} CPU, ${place}`, title: `server CPU s/M, ${title}, ${place}`, isBetter: 'lower' as const },
        {
          key: `${key} share, ${place}`,
          title: `% of the CPU by the least busy process, ${title}, ${place}`,
          isBetter: 'neither' as const,
        },
      ]),
    ),
    writtenBytes: 8 * 2 ** 30,
    isStartedAnew: true,
    async start({ folder }) {
      const sides: ScenarioSide[] = []
      try {
        for (const [side, count] of [
          [two, 2],
          [one, 1],
        ] as const) {
          const environment = { HERACLITUS_PROCESSES: String(count) }
          const where = folder === undefined ? {} : { folder }
          sides.push({ name: side, server: await startGateway({ durability, environment, ...where }) })
        }
      } catch (error) {
        await stopAll(sides)
        throw error
      }
      return sides
    },
    async run(side, { isShort, onComplaint }) {
      const figures: Record<string, number> = {}
      const cores = cpus().length
      for (const { key, mode, size, batch, isFilled } of chosen)
        for (const place of cores > 1 ? places : (['anywhere'] as const)) {
          const isBound = place === 'one core'
          bind(side.server.pid, isBound ? '0' : `0-${cores - 1}`)
          const prefix = isBound ? ['taskset', '-c', `1-${cores - 1}`] : []
          // What was written before is not written to the disk meanwhile.
          execFileSync('sync')
          await onTopic(side, partitions, onComplaint, async (topic) => {
            const flags = { connections, size, 'batch-records': batch }
            if (isFilled) await load(side, topic, { ...flags, mode: 'raw-produce', seconds: 1 }, { prefix })
            const before = cpuByProcess(side.server.pid)
            const report = await load(side, topic, { ...flags, mode, seconds: isShort ? 1 : 4 }, { prefix })
            const after = cpuByProcess(side.server.pid)
            const each = after.map((seconds, index) => seconds - (before[index] ?? 0))
            const used = report.during(isFilled ? 'fetch' : 'produce')
            figures[`${key}, ${place}`] = report.figure('recordsPerSecond')
            figures[`${key} share, ${place}`] = (Math.min(...each) / each.reduce((sum, one) => sum + one, 0)) * 100
            figures[`${key} CPU, ${place}`] = (used.cpuSeconds * 1e6) / report.figure('records')
          })
        }
      return figures
    },
    conclude: (medians) => scaling(medians.get(one), medians.get(two)),
  }
}

/** CPU seconds so far of each process that serves clients: those that a supervisor started, or the only one. */
function cpuByProcess(pid: number): number[] {
  const [first, ...started] = withDescendants(pid)
  return (started.length > 0 ? started : [first ?? pid]).map((one) => usageOf(one).cpuSeconds)
}

/** Binds a process, its threads and all that it started to some cores. */
function bind(pid: number, cores: string): void {
  for (const each of withDescendants(pid))
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(each)], { stdio: 'ignore' })
}

function scaling(single: Figures | undefined, double: Figures | undefined): string {
  const rows = loads.flatMap(({ key, title }) => {
    const ratio = (figure: string) => {
      const [ours, peers] = [double?.[figure], single?.[figure]]
      return typeof ours === 'number' && typeof peers === 'number' && peers > 0 ? ours / peers : undefined
    }
    const [rate, cpu] = [ratio(`${key}, one core`), ratio(`${key} CPU, anywhere`)]
    if (rate === undefined || cpu === undefined) return []
    const byRate = (2 * rate).toFixed(2)
    return [`- ${title}: **${byRate} ×** by records/s on one core; **${(2 / cpu).toFixed(2)} ×** by CPU per record.`]
  })
  return `What two cores would give over one:\n\n${rows.join('\n')}`
}
