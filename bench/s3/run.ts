import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startS3Server } from '../../tests/integration/s3-server.js'
import { repository } from '../folders.js'
import { machine } from '../machine.js'
import { findTansu, tansuInstallation } from '../servers/tansu.js'
import { reasonOf } from '../topics.js'
import * as parts from './parts.js'
import { reportOf, type S3Report } from './report.js'
import { measureRequests } from './requests.js'
import { type SlowStore, type System, settingsByName, startGateways, startSlowTansu } from './systems.js'

const usage = `npm run bench:s3 -- [options]

What producers wait for, and how much goes through a process, on a local S3 server behind a proxy that makes it as slow as S3
Standard; beside Tansu if there is one. Needs Go and Python. Some six minutes; writes bench/s3/results.md if nothing is left out.

  --only LIST          of latency,fan-out,throughput,tansu
  --settings LIST      for latency, of ${Object.keys(settingsByName).join(',')}
  --instances LIST     for latency (1,3); several are behind one address
  --seconds N          of each load (10)
  --rounds N           of throughput and tansu (3)
  --put-ms N           median time of a put (60)
  --get-ms N           median time of a get (30)
  --on-top              these come on top of what the local S3 server takes, rather than to contain it
  --output FILE        where the report goes

Tansu is the program HERACLITUS_BENCH_TANSU or tansu on the PATH: ${tansuInstallation}
`
const text = { type: 'string' } as const
const allParts = ['latency', 'fan-out', 'throughput', 'tansu']
const print = (line: string) => void process.stdout.write(`${line}\n`)
const note = (line: string) => void process.stderr.write(`${line}\n`)

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { ...text, default: allParts.join(',') },
      settings: { ...text, default: Object.keys(settingsByName).join(',') },
      instances: { ...text, default: '1,3' },
      seconds: { ...text, default: '10' },
      rounds: { ...text, default: '3' },
      'put-ms': { ...text, default: '60' },
      'get-ms': { ...text, default: '30' },
      'on-top': { type: 'boolean', default: false },
      output: text,
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    print(usage)
    return 0
  }
  const only = listOf(values.only, allParts)
  const settings = listOf(values.settings, Object.keys(settingsByName))
  const instances = values.instances.split(',').map(numberOf)
  const [seconds, rounds] = [numberOf(values.seconds), numberOf(values.rounds)]
  const [putMs, getMs] = [numberOf(values['put-ms']), numberOf(values['get-ms'])]
  const server = await startS3Server()
  if (server.skip !== undefined) throw new Error(server.skip)
  const slow: SlowStore = { server, putMs, getMs, isOnTop: values['on-top'] }
  const report: S3Report = {
    command: ['npm run bench:s3 --', ...process.argv.slice(2)].join(' ').replace(/ --$/, ''),
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: machine(server.folder),
    requests: await measureRequests(slow),
    ...{
      putMs,
      getMs,
      isOnTop: slow.isOnTop,
      seconds,
      waited: [],
      fannedOut: [],
      throughput: [],
      roundTrips: [],
      complaints: [],
    },
  }
  const attempt = async (what: string, work: () => Promise<void>) => {
    note(`\n${what}`)
    await work().catch((error: unknown) => {
      report.complaints.push(`${what}: ${reasonOf(error)}`)
      note(`FAILED ${what}: ${reasonOf(error)}`)
    })
  }
  try {
    if (only.includes('latency'))
      for (const setting of settings)
        for (const count of instances)
          await attempt(`latency, ${setting}, ${count}`, () => latency(report, slow, setting, count, seconds))
    if (only.includes('fan-out')) await attempt('fan-out', () => fanOut(report, slow, seconds))
    if (only.includes('throughput'))
      await attempt('throughput', () => throughput(report, slow, seconds, rounds, only.includes('tansu')))
    else if (only.includes('tansu')) await attempt('tansu', () => throughput(report, slow, seconds, rounds, true))
  } finally {
    await server.stop()
  }
  const whole = process.argv.length === 2 ? join(repository, 'bench/s3/results.md') : undefined
  const output = values.output ?? whole
  const shown = reportOf(report)
  print(shown)
  if (output !== undefined) writeFileSync(output, shown)
  return report.complaints.length === 0 ? 0 : 1
}

async function latency(report: S3Report, slow: SlowStore, settings: string, count: number, seconds: number) {
  const system = await startGateways(slow, settings, count)
  try {
    for (const part of [parts.oneProducer, parts.manyProducers]) {
      const { result, ...requests } = await parts.countingRequests(system, () => part(system, seconds))
      for (const waited of result) {
        report.waited.push({ settings, instances: count, requests, ...waited })
        note(JSON.stringify(waited))
      }
    }
  } finally {
    await system.stop()
  }
}

async function fanOut(report: S3Report, slow: SlowStore, seconds: number): Promise<void> {
  const system = await startGateways(slow, 'default', 2, false)
  try {
    await parts.fanOut(system, 1, 2)
    for (const groups of [1, 20]) {
      const found = await parts.fanOut(system, groups, seconds)
      report.fannedOut.push(found)
      note(JSON.stringify(found))
    }
  } finally {
    await system.stop()
  }
}

async function throughput(report: S3Report, slow: SlowStore, seconds: number, rounds: number, withTansu: boolean) {
  const tansu = withTansu ? findTansu() : undefined
  if (withTansu && tansu === undefined) {
    const reason = `SKIPPED Tansu: no tansu on the PATH, nor in HERACLITUS_BENCH_TANSU (${tansuInstallation})`
    report.skipped = reason
    note(reason)
  }
  const systems: System[] = [await startGateways(slow, 'default', 1)]
  try {
    if (tansu !== undefined) systems.push(await startSlowTansu(slow, tansu))
    for (let round = 0; round <= rounds; round++)
      for (const system of systems) {
        const isCounted = round > 0
        const length = isCounted ? seconds : Math.min(3, seconds)
        const loads = [
          // What Tansu does with 128 requests of 256 KiB at once says little about either.
          ...(system.name === 'Tansu' ? [] : [['128 connections, 256 KiB a request', parts.full] as const]),
          ['one default librdkafka', parts.fullDefault] as const,
        ]
        for (const [load, part] of loads) {
          const { result, ...requests } = await parts.countingRequests(system, () => part(system, length))
          note(`${system.name}, ${load}: ${JSON.stringify(result)}`)
          if (isCounted) report.throughput.push({ system: system.name, load, requests, ...result })
        }
        const trips = await parts.roundTrips(system, isCounted ? 30 : 5)
        note(`${system.name}, round trip: ${JSON.stringify(trips)}`)
        if (isCounted) report.roundTrips.push({ system: system.name, ...trips })
      }
  } finally {
    for (const system of systems) await system.stop()
  }
}

function listOf(given: string, known: readonly string[]): string[] {
  return given.split(',').map((word) => {
    if (!known.includes(word)) throw new TypeError(`one of ${known.join(', ')}, not "${word}"`)
    return word
  })
}

function numberOf(word: string): number {
  const number = Number(word)
  if (!(number > 0)) throw new TypeError(`a number above 0, not "${word}"`)
  return number
}

// So that what was started ends too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  note(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
