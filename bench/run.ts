import { appendFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './folders.js'
import { type Generator, generatorOf } from './generators.js'
import { type Client, loadsOf, nameOf } from './loads.js'
import { machine } from './machine.js'
import { type Options, optionsOf, UsageError, usage } from './options.js'
import { profiling } from './profile.js'
import { lineOf, reportOf } from './report.js'
import { type Measurement, runRounds, type Side } from './rounds.js'
import { type Gateway, startGateway } from './servers/gateway.js'
import { kafkaJars, startKafka } from './servers/kafka.js'
import { type Durability, runningServer, type Server } from './servers/server.js'
import { type StartUp, startUps } from './start-up.js'

// The gateway beside Apache Kafka: `npm run bench -- --help`.

const startUpTimes = 5
const print = (text: string) => process.stdout.write(`${text}\n`)
const note = (text: string) => process.stderr.write(`${text}\n`)

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    print(usage)
    return 0
  }
  const options = optionsOf(args)
  const loads = loadsOf(options)
  if (loads.length === 0) throw new UsageError('no load is left by --only and --modes')
  const command = ['npm run bench --', ...args].join(' ').replace(/ --$/, '')
  const about = machine(options.folder ?? tmpdir())
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const generators = new Map<Client, Generator>()
  for (const { client } of loads) if (!generators.has(client)) generators.set(client, await generatorOf(client))

  const [ours, peer] = [
    options.ours ? 'ours' : 'Heraclitus',
    options.peer ? 'peer' : `Kafka ${await kafkaVersion(options)}`,
  ]
  const found = new Map<string, StartUp[]>()
  if (options.hasStartUp && !options.ours) {
    found.set(ours, await startUps(() => startGateway({ durability: 'fsync', ...folderOf(options) }), startUpTimes))
    note(`${ours} starts in ${found.get(ours)?.map(({ startMs }) => startMs.toFixed(0))} ms`)
  }
  if (options.hasStartUp && options.hasPeer && !options.peer)
    found.set(peer, await startUps(() => startKafka(options.folder), startUpTimes - 2))

  const measurements: Measurement[] = []
  const failures: string[] = []
  const gateways = new Gateways(options)
  const peerServer = options.hasPeer ? await peerOf(options) : undefined
  try {
    for (const load of loads) {
      const generator = generators.get(load.client)
      if (generator === undefined) continue
      note(`\n${nameOf(load)}: ${load.modes.join(', ')}`)
      const { server, around } = await gateways.for(load.durability)
      const sides: Side[] = [{ name: ours, server }]
      if (peerServer) sides.push({ name: peer, server: peerServer })
      await runRounds({
        ...{ load, sides, generator, around, rounds: options.rounds },
        ...{ records: options.records, roundTrips: options.roundTrips },
        onMeasurement(one) {
          measurements.push(one)
          note(lineOf(one))
          if (options.json !== undefined) appendFileSync(options.json, `${JSON.stringify(one)}\n`)
        },
        onFailure(what) {
          failures.push(what)
          note(`FAILED ${what}`)
        },
      })
    }
  } finally {
    await gateways.stop()
    await peerServer?.stop()
  }
  const sides = peerServer ? [ours, peer] : [ours]
  const { rounds } = options
  const text = reportOf({ command, date, machine: about, sides, rounds, startUps: found, measurements, failures })
  print(text)
  const output =
    options.output ?? (options.profileFolder === undefined ? join(repository, 'bench/results.md') : undefined)
  if (output !== undefined) writeFileSync(output, text)
  return failures.length === 0 ? 0 : 1
}

type Around = ReturnType<typeof profiling>

/**
 * The gateway of this build, started when a load first asks for its durability, and as Kafka kept for all that follow:
 * a just-in-time compiler has then seen the code, on both sides.
 */
class Gateways {
  readonly #options: Options
  readonly #running = new Map<Durability, { gateway: Gateway; around: Around | undefined }>()

  constructor(options: Options) {
    this.#options = options
  }

  async for(durability: Durability): Promise<{ server: Server; around: Around | undefined }> {
    const { ours, profileFolder } = this.#options
    if (ours) return { server: runningServer(ours.bootstrap, ours.pid), around: undefined }
    let running = this.#running.get(durability)
    if (running === undefined) {
      const isProfiled = profileFolder !== undefined
      const gateway = await startGateway({ durability, ...folderOf(this.#options), isProfiled })
      running = { gateway, around: isProfiled ? profiling(gateway, profileFolder, print) : undefined }
      this.#running.set(durability, running)
    }
    return { server: running.gateway, around: running.around }
  }

  async stop(): Promise<void> {
    for (const { gateway } of this.#running.values()) await gateway.stop()
  }
}

function peerOf({ peer, folder }: Options): Promise<Server> {
  return peer ? Promise.resolve(runningServer(peer.bootstrap, peer.pid)) : startKafka(folder)
}

async function kafkaVersion({ hasPeer, peer }: Options): Promise<string> {
  return hasPeer && !peer ? (await kafkaJars()).version : ''
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
