import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Findings } from './findings.js'
import { type Generator, generatorOf } from './generators.js'
import { type Client, clients, type Load, loadsOf, nameOf } from './loads.js'
import { machine } from './machine.js'
import { microRates } from './micro.js'
import { type Options, optionsOf, UsageError, usage } from './options.js'
import { profiling } from './profile.js'
import { lineOf, reportOf } from './report.js'
import { runRounds, type Side } from './rounds.js'
import { scenarios } from './scenarios/all.js'
import { lineOfRun } from './scenarios/report.js'
import { runScenario } from './scenarios/run.js'
import { profiled, startGateway } from './servers/gateway.js'
import { kafkaJars, startKafka } from './servers/kafka.js'
import { type Durability, runningServer, type Server } from './servers/server.js'
import { shortMs, shortSummary } from './short.js'
import { type StartUp, startUps } from './start-up.js'
import { missingFor } from './tools.js'
import { reasonOf } from './topics.js'

// The gateway beside Apache Kafka: `npm run bench -- --help`.

const startUpTimes = 5
const print = (text: string) => process.stdout.write(`${text}\n`)
const note = (text: string) => process.stderr.write(`${text}\n`)

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    print(usage)
    return 0
  }
  const options = availableOf(optionsOf(args))
  const loads = loadsOf(options)
  if (
    loads.length + options.scenarios.length === 0 &&
    !(options.hasStartUp || options.hasMicro || options.from.length > 0)
  )
    throw new UsageError('nothing is left by --only and --modes, or by what this machine has')
  const command = ['npm run bench --', ...args].join(' ').replace(/ --$/, '')
  const about = machine(options.folder ?? tmpdir())
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const findings = new Findings(options.json)
  for (const file of options.from) findings.read(file)

  const peer = options.peer ? 'peer' : options.hasPeer ? `Kafka ${(await kafkaJars()).version}` : ''
  const sides = [options.ours ? 'ours' : 'Heraclitus', ...(options.hasPeer ? [peer] : [])]
  const begun = options.from.length === 0 ? await measureAll(options, loads, sides, findings) : new Set<string>()

  if (options.isShort) {
    print(
      `\nOurs, and its ratio to ${sides[1] ?? 'nothing'}:\n${shortSummary(findings.measurements, findings.scenarioRuns)}`,
    )
    const failed = neverWorked(findings, begun, sides[1])
    for (const what of failed) print(`${what}: has not worked at all`)
    return failed.length === 0 ? 0 : 1
  }
  const rounds = options.from.length > 0 ? findings.rounds : options.rounds
  const { startUps, measurements, scenarioRuns, microRates: rates, failures } = findings
  const text = reportOf({
    ...{
      command,
      date,
      machine: about,
      sides,
      rounds,
      startUps,
      measurements,
      scenarioRuns,
      microRates: rates,
      failures,
    },
  })
  print(text)
  if (options.output !== undefined) writeFileSync(options.output, text)
  return failures.length === 0 ? 0 : 1
}

/** What was begun and has no figures of ours. */
function neverWorked({ measurements, scenarioRuns }: Findings, begun: ReadonlySet<string>, peer: string | undefined) {
  const worked = new Set([
    ...measurements.filter(({ side }) => side !== peer).map(({ load, mode }) => `${nameOf(load)}, ${mode}`),
    ...scenarioRuns.filter(({ side }) => side !== peer).map(({ scenario }) => scenario),
  ])
  return [...begun].filter((what) => !worked.has(what))
}

/** What of it can be done here; a short look leaves out by name what there are no tools for. */
function availableOf(options: Options): Options {
  if (!options.isShort) return options
  const isMissing = (what: Parameters<typeof missingFor>[0]) => {
    const missing = missingFor(what)
    if (missing.length > 0) note(`SKIPPED ${what}: there is no ${missing.join(', no ')} on this machine`)
    return missing.length > 0
  }
  return {
    ...options,
    only: (options.only ?? clients).filter((client) => !isMissing(client)),
    scenarios: options.scenarios.length > 0 && isMissing('scenarios') ? [] : options.scenarios,
    hasPeer: options.hasPeer && !isMissing('Apache Kafka'),
  }
}

/** Gives what was begun, by name; a short look begins nothing more once its time is over. */
async function measureAll(options: Options, loads: Load[], sides: readonly string[], findings: Findings) {
  const begun = new Set<string>()
  const startedAt = performance.now()
  const isBegun = (...names: string[]) => {
    if (options.isShort && performance.now() - startedAt > shortMs) {
      note(`SKIPPED ${names.join(', ')}: no time is left`)
      return false
    }
    for (const name of names) begun.add(name)
    return true
  }
  const fail = (what: string) => {
    findings.add({ kind: 'failure', what })
    note(`FAILED ${what}`)
  }
  if (options.hasMicro) for (const rate of microRates()) findings.add({ kind: 'micro', rate })
  if (options.hasStartUp) await measureStartUps(options, sides, findings)
  if (loads.length > 0) {
    const start = (load: Load) => isBegun(...load.modes.map((mode) => `${nameOf(load)}, ${mode}`))
    await measureLoads(options, loads, sides, findings, start, fail)
  }
  const { rounds, folder, hasPeer, isShort } = options
  for (const scenario of scenarios.filter(({ name }) => options.scenarios.includes(name))) {
    if (!isBegun(scenario.name)) continue
    note(`\n${scenario.name}`)
    await runScenario(scenario, {
      ...{ rounds, folder, hasPeer, isShort, peerName: sides[1] ?? '' },
      onRun(run) {
        findings.add({ kind: 'scenario', run })
        note(lineOfRun(run))
      },
      onFailure: fail,
    }).catch((error: unknown) => fail(`${scenario.name}: ${reasonOf(error)}`))
  }
  return begun
}

async function measureStartUps(options: Options, [ours = '', peer = '']: readonly string[], findings: Findings) {
  const add = (side: string, startUp: StartUp) => {
    findings.add({ kind: 'start-up', side, startUp })
    note(`${side} starts in ${startUp.startMs.toFixed(0)} ms`)
  }
  if (!options.ours)
    for (const one of await startUps(() => startGateway({ durability: 'fsync', ...folderOf(options) }), startUpTimes))
      add(ours, one)
  if (options.hasPeer && !options.peer)
    for (const one of await startUps(() => startKafka(options.folder), startUpTimes - 2)) add(peer, one)
}

async function measureLoads(
  options: Options,
  loads: readonly Load[],
  [ours = '', peer = '']: readonly string[],
  findings: Findings,
  isBegun: (load: Load) => boolean,
  onFailure: (what: string) => void,
): Promise<void> {
  const generators = new Map<Client, Generator>()
  for (const { client } of loads) if (!generators.has(client)) generators.set(client, await generatorOf(client))
  const servers = new Servers(options, ours, peer)
  try {
    for (const load of loads) {
      const generator = generators.get(load.client)
      if (generator === undefined || !isBegun(load)) continue
      note(`\n${nameOf(load)}: ${load.modes.join(', ')}`)
      const { sides, around } = await servers.for(load.durability)
      await runRounds({
        ...{ load, sides, generator, around, rounds: options.rounds, onFailure },
        ...{ records: options.records, roundTrips: options.roundTrips, isShort: options.isShort },
        onMeasurement(measurement) {
          findings.add({ kind: 'load', measurement })
          note(lineOf(measurement))
        },
      })
    }
  } finally {
    await servers.stop()
  }
}

type Around = ReturnType<typeof profiling>

interface Running {
  durability: Durability
  sides: readonly Side[]
  around: Around | undefined
  stop(): Promise<void>
}

/**
 * The servers of both sides. Both are started anew when a load asks for another durability, and kept for all that follow
 * with the same one: just-in-time compilers have then seen as much of the code on one side as on the other.
 */
class Servers {
  readonly #options: Options
  readonly #ours: string
  readonly #peer: string
  #running: Running | undefined

  constructor(options: Options, ours: string, peer: string) {
    this.#options = options
    this.#ours = ours
    this.#peer = peer
  }

  async for(durability: Durability): Promise<Running> {
    if (this.#running?.durability === durability) return this.#running
    await this.stop()
    const { server, around } = await this.#startOurs(durability)
    const sides: Side[] = [{ name: this.#ours, server }]
    const stop = async () => {
      for (const side of sides) await side.server.stop()
    }
    this.#running = { durability, sides, around, stop }
    if (this.#options.hasPeer) sides.push({ name: this.#peer, server: await this.#startPeer() })
    return this.#running
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }

  async #startOurs(durability: Durability): Promise<{ server: Server; around: Around | undefined }> {
    const { ours, profileFolder } = this.#options
    if (ours) return { server: runningServer(ours.bootstrap, ours.pid), around: undefined }
    const preload = profileFolder === undefined ? undefined : profiled
    const server = await startGateway({ durability, ...folderOf(this.#options), preload })
    return { server, around: profileFolder === undefined ? undefined : profiling(server, profileFolder, print) }
  }

  #startPeer(): Server | Promise<Server> {
    const { peer, folder } = this.#options
    return peer ? runningServer(peer.bootstrap, peer.pid) : startKafka(folder)
  }
}

function folderOf({ folder }: Options): { folder?: string } {
  return folder === undefined ? {} : { folder }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  note(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
