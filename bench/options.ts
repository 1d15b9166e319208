import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { repository } from './folders.js'
import { type Choice, clients, type Load, modes } from './loads.js'
import { scenarioNames } from './scenarios/all.js'
import type { Durability } from './servers/server.js'

const startUp = 'start-up'
const micro = 'micro'

export const usage = `npm run bench -- [options]

Measures the gateway of this build on file: storage beside Apache Kafka, alternately in one run, and writes
bench/results.md. Needs Go, Maven, Java and Python; what they fetch is kept in <temp>/heraclitus-bench-cache.

  --rounds N           runs of each load on each server (5), after one that is not counted
  --records N          records of a produce or consume run
  --round-trips N      records of a round-trip run
  --only LIST          clients, of ${clients.join(',')},
                       and scenarios, of ${scenarioNames.join(',')},
                       and ${startUp},${micro}
  --modes LIST         of ${modes.join(',')}
  --sizes LIST --partitions LIST --compression none,lz4 --acks all,1,0 --durability page-cache,fsync
                       all combinations of these instead of the preset, and no scenarios
  --short              two minutes at most: whether it works, and ratios that say little. What this machine has no tools or
                       no time for is left out by name; fails only if something has not worked at all
  --no-start-up        leave out start-up time and idle memory
  --ours HOST:PORT,PID --peer HOST:PORT,PID
                       servers that run already, on this machine; their durability is what they were started with
  --no-peer            the gateway alone
  --profile[=FOLDER]   the gateway alone, with a CPU profile and a flame graph (SVG) of each run: where its time goes
                       (bench-profiles)
  --folder FOLDER      where the servers store (the system's temporary folder)
  --output FILE        where the report goes; bench/results.md if nothing is left out, otherwise it is only printed
  --json FILE          append every run as a line of JSON
  --from FILES         measure nothing: the report of what earlier runs appended to these files
`

export interface Options extends Choice {
  /** Scenarios to run, by name. */
  scenarios: readonly string[]
  isShort: boolean
  rounds: number
  records?: number | undefined
  roundTrips?: number | undefined
  hasStartUp: boolean
  hasMicro: boolean
  ours?: RunningServer | undefined
  peer?: RunningServer | undefined
  hasPeer: boolean
  profileFolder?: string | undefined
  folder?: string | undefined
  output?: string | undefined
  json?: string | undefined
  /** Files of earlier runs, of which the report is to be. */
  from: readonly string[]
}

export interface RunningServer {
  bootstrap: string
  pid: number
}

/** Thrown for a command line that can't be followed; its message says why. */
export class UsageError extends Error {}

/**
 * Reads the command line.
 * @throws UsageError when it asks for what there is not.
 */
export function optionsOf(args: readonly string[]): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values } = parse(() =>
    parseArgs({
      // `--profile` alone takes its default folder.
      args: args.map((arg) => (arg === '--profile' ? '--profile=bench-profiles' : arg)),
      options: {
        ...{ rounds: text, records: text, 'round-trips': text, only: text, modes: text, sizes: text },
        ...{ partitions: text, compression: text, acks: text, durability: text, ours: text, peer: text },
        ...{ profile: text, folder: text, output: text, json: text, 'no-start-up': flag, 'no-peer': flag },
        ...{ short: flag, from: text },
      },
    }),
  )
  const profileFolder = values.profile
  const isShort = values.short ?? false
  const only = list(values.only, 'only', [startUp, micro, ...clients, ...scenarioNames])
  // These are about single loads, or about servers that scenarios don't use.
  const hasLists = [values.modes, values.sizes, values.partitions, values.compression, values.acks, values.durability]
  const isAboutLoads = [...hasLists, profileFolder, values.ours, values.peer].some((value) => value !== undefined)
  const asUsual = isShort ? ['group-join', 'commits', 'fan-out'] : scenarioNames
  const isWhole = !isAboutLoads && !isShort && only === undefined && !values['no-peer'] && !values['no-start-up']
  return {
    isShort,
    scenarios: isAboutLoads ? [] : scenarioNames.filter((name) => (only ?? asUsual).includes(name)),
    rounds: count(values.rounds, 'rounds') ?? (profileFolder === undefined && !isShort ? 5 : 1),
    records: count(values.records, 'records') ?? (isShort ? 100_000 : undefined),
    roundTrips: count(values['round-trips'], 'round-trips') ?? (isShort ? 500 : undefined),
    only: only && clients.filter((client) => only.includes(client)),
    modes: list(values.modes, 'modes', modes),
    sizes: counts(values.sizes, 'sizes'),
    partitions: counts(values.partitions, 'partitions'),
    compression: list<Load['compression']>(values.compression, 'compression', ['none', 'lz4']),
    acks: list<Load['acks']>(values.acks, 'acks', ['all', '1', '0']),
    durability: list(values.durability, 'durability', ['page-cache', 'fsync'] as const)?.map(
      (word): Durability => (word === 'fsync' ? 'fsync' : 'page cache'),
    ),
    hasStartUp: !isShort && profileFolder === undefined && (only?.includes(startUp) ?? !values['no-start-up']),
    hasMicro: only?.includes(micro) ?? (!isAboutLoads && !isShort),
    ours: running(values.ours, 'ours'),
    peer: running(values.peer, 'peer'),
    hasPeer: !values['no-peer'] && profileFolder === undefined,
    profileFolder,
    folder: values.folder,
    output: values.output ?? (isWhole ? join(repository, 'bench/results.md') : undefined),
    from: values.from?.split(',') ?? [],
    json: values.json,
  }
}

function parse<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function count(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--${name}: a number above 0, not "${text}"`)
  return Number(text)
}

function counts(text: string | undefined, name: string): number[] | undefined {
  return text?.split(',').map((word) => count(word, name) ?? 0)
}

function list<T extends string>(text: string | undefined, name: string, known: readonly T[]): T[] | undefined {
  return text?.split(',').map((word) => {
    const found = known.find((one) => one === word)
    if (found === undefined) throw new UsageError(`--${name}: one of ${known.join(', ')}, not "${word}"`)
    return found
  })
}

function running(text: string | undefined, name: string): RunningServer | undefined {
  if (text === undefined) return undefined
  const [, bootstrap, pid] = /^(.+:\d+),(\d+)$/.exec(text) ?? []
  if (bootstrap === undefined) throw new UsageError(`--${name}: HOST:PORT,PID, not "${text}"`)
  return { bootstrap, pid: Number(pid) }
}
