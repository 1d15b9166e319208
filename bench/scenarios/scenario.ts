import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { goProgram } from '../generators.js'
import { startGateway } from '../servers/gateway.js'
import { startKafka } from '../servers/kafka.js'
import type { Server } from '../servers/server.js'
import { withTopic } from '../topics.js'
import { traced, type Usage } from '../usage.js'

/** A server compared, by its name in the tables. */
export interface ScenarioSide {
  name: string
  server: Server
}

/** What a run came to, by the figures' keys; null or absent where a side has no such figure. */
export type Figures = Readonly<Record<string, number | null>>

export interface ScenarioFigure {
  key: string
  title: string
  isBetter: 'higher' | 'lower' | 'neither'
}

export interface ScenarioOptions {
  /** Where servers store. */
  folder?: string | undefined
  hasPeer: boolean
  peerName: string
  /** A tenth of the work or so: to see that it works. */
  isShort: boolean
  onComplaint(what: string): void
}

/** Something that clients do to a server that is more than records through one connection. */
export interface Scenario {
  name: string
  /** What is done, and how much of it; Markdown. */
  about: string
  figures: readonly ScenarioFigure[]
  /** About as many bytes as a run writes to files, where it is many. */
  writtenBytes?: number
  /** Servers are started for each round, and run once, for a short time, before they are measured. */
  isStartedAnew?: boolean
  /** Started for this scenario alone, and stopped after it: memory is then its own. */
  start(options: ScenarioOptions): Promise<ScenarioSide[]>
  run(side: ScenarioSide, options: ScenarioOptions): Promise<Figures>
  /** Further sentences, from the medians of each side. */
  conclude?(medians: ReadonlyMap<string, Figures>): string
}

/** The gateway and Kafka, both acknowledging what the page cache has. */
export async function gatewayAndKafka({ folder, hasPeer, peerName }: ScenarioOptions): Promise<ScenarioSide[]> {
  const sides: ScenarioSide[] = [
    {
      name: 'Heraclitus',
      server: await startGateway({ durability: 'page cache', ...(folder === undefined ? {} : { folder }) }),
    },
  ]
  try {
    if (hasPeer) sides.push({ name: peerName, server: await startKafka(folder) })
  } catch (error) {
    await stopAll(sides)
    throw error
  }
  return sides
}

export async function stopAll(sides: readonly ScenarioSide[]): Promise<void> {
  for (const { server } of sides) await server.stop()
}

/** A run of the load program, and what the server used in each phase of it. */
export interface LoadReport {
  figure(name: string): number
  /** NaN where the program notes no such phase. */
  during(phase: string): Usage & { seconds: number }
  /** All that the program says. */
  raw: Readonly<Record<string, unknown>>
}

type Flags = Readonly<Record<string, string | number | boolean>>

const timeoutSeconds = 120

/**
 * Runs a load program against a server, on a topic that exists: the one on franz-go unless another is given. `prefix` is a
 * command that starts it.
 */
export async function load(
  { server }: ScenarioSide,
  topic: string,
  flags: Flags,
  { prefix = [], program }: { prefix?: readonly string[]; program?: readonly string[] } = {},
): Promise<LoadReport> {
  const all = { bootstrap: server.bootstrap, topic, run: randomBytes(7).toString('hex'), timeout: timeoutSeconds }
  const args = Object.entries({ ...all, ...flags }).map(([name, value]) => `--${name}=${value}`)
  const [command = '', ...rest] = [...prefix, ...(program ?? (await goProgram())), ...args]
  const { result: stdout, trace } = await traced(server.pid, async () => {
    const done = await promisify(execFile)(command, rest, { timeout: (timeoutSeconds + 30) * 1000 })
    return done.stdout
  })
  const raw = JSON.parse(stdout) as Record<string, unknown> & { phases?: Record<string, [number, number]> }
  return {
    raw,
    figure(name) {
      const value = raw[name]
      if (typeof value !== 'number') throw new Error(`the load program says nothing of ${name}: ${stdout}`)
      return value
    },
    during(phase) {
      const [start, end] = raw.phases?.[phase] ?? [Number.NaN, Number.NaN]
      return { ...trace.between(start, end), seconds: (end - start) / 1000 }
    },
  }
}

/** Runs the load program on a new topic. */
export function loadOnTopic(
  side: ScenarioSide,
  partitions: number,
  flags: Flags,
  { onComplaint }: ScenarioOptions,
): Promise<LoadReport> {
  return onTopic(side, partitions, onComplaint, (topic) => load(side, topic, flags))
}

/** Does something with a new topic of a random name. */
export function onTopic<T>(
  { name, server }: ScenarioSide,
  partitions: number,
  onComplaint: (what: string) => void,
  work: (topic: string) => Promise<T>,
): Promise<T> {
  const topic = `bench-${randomBytes(6).toString('hex')}`
  const options = {
    ...{ partitions, durability: 'page cache' as const },
    onComplaint: (what: string) => onComplaint(`${name}: ${what}`),
  }
  return withTopic(server, topic, options, () => work(topic))
}
