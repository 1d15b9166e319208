import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.js'
import { createLog } from '../src/base/log.js'
import { systemRandom } from '../src/base/random.js'
import { type Connection, openConnection } from '../src/cli/client/connection.js'
import { Metadata } from '../src/protocol/messages/metadata.js'
import { Produce } from '../src/protocol/messages/produce.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { directoryStore } from '../src/state/store/directory.js'
import { startS3Server } from '../tests/integration/s3-server.js'
import { makeLargeStore, topicCount, topicOf } from './large-store.js'
import { machine } from './machine.js'
import { gatewayProgram } from './servers/gateway.js'
import { endingWithUs, freePort, outputOf, untilAnswering } from './servers/server.js'
import { usageOf } from './usage.js'

const usage = `npm run bench:start-up -- [options]

How long a gateway takes to its first answers on a store with a long history, and how much memory.

  --entries N      ledger entries, all of them still in the store (1000000)
  --partitions N   a multiple of 10 (10000)
  --tail N         entries after the newest snapshot (1000)
  --times N        starts on each store (3)
  --folder FOLDER  where the store is made (the system's temporary folder)
  --keep FOLDER    use the store that an earlier run made there; make it if there is none, and leave it
  --no-s3          the directory alone, without the S3 server
`

interface Start {
  apiVersionsMs: number
  metadataMs: number
  produceMs: number
  /** Resident memory then, and the most it ever was, MiB. */
  rssMib: number
  peakMib: number
  /** CPU time until then: on a machine that has other things to do, times say less. */
  cpuSeconds: number
}

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    entries: { ...text, default: '1000000' },
    partitions: { ...text, default: '10000' },
    tail: { ...text, default: '1000' },
    times: { ...text, default: '3' },
    folder: { ...text, default: tmpdir() },
    keep: text,
    'no-s3': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const print = (line: string) => void process.stdout.write(`${line}\n`)
const note = (line: string) => void process.stderr.write(`${line}\n`)

async function main(): Promise<void> {
  const [entries, partitions, tail, times] = [values.entries, values.partitions, values.tail, values.times].map(Number)
  if (!entries || !partitions || partitions % 10 !== 0 || !tail || !times || entries <= tail + 1) {
    note(`--entries, --partitions, --tail, --times: numbers above 0, partitions a multiple of 10, a tail below entries`)
    process.exitCode = 2
    return
  }
  const folder = values.keep ?? mkdtempSync(`${values.folder}/heraclitus-bench-start-`)
  const data = `${folder}/data`
  try {
    const objects = `${folder}/objects`
    if (!existsSync(data)) await make(data, true, { entries, partitions, tail })
    if (!values['no-s3'] && !existsSync(objects)) await make(objects, false, { entries, partitions, tail })
    for (const [name, value] of machine(values.folder)) print(`${name}: ${value}`)
    print(`${entries} entries, ${partitions} partitions, none compacted or deleted, ${tail} entries after the snapshot`)
    print('milliseconds from the start of the process to its first answer, MiB of resident memory')
    print('store                    ApiVersions  Metadata   Produce    RSS   peak  CPU s  load')
    await startOn('directory', (name) => `file:${folder}/${name}`, {}, times)
    if (!values['no-s3']) await startOnS3(objects, times)
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** `journals`: as a directory store keeps entries; otherwise as files, as the S3 server does. */
async function make(
  path: string,
  journals: boolean,
  options: { entries: number; partitions: number; tail: number },
): Promise<void> {
  const surroundings = { clock: systemClock, random: systemRandom, log: createLog('warn') }
  const store = await directoryStore({ path, ...surroundings, fsync: false, journals })
  const begun = performance.now()
  const onProgress = (made: number) => note(`${made} entries in ${((performance.now() - begun) / 1_000).toFixed(0)} s`)
  const { snapshotBytes } = await makeLargeStore({ store, ...options, onProgress })
  note(`a snapshot of ${mib(snapshotBytes)} MiB`)
  await store.close()
}

async function startOnS3(objects: string, times: number): Promise<void> {
  const server = await startS3Server()
  if (server.skip !== undefined) {
    print(server.skip)
    return
  }
  // The server keeps objects as files of the same names.
  const served = `${server.folder}/${server.bucket}/data`
  renameSync(objects, served)
  try {
    await startOn('bucket', (name) => `s3://${server.bucket}/${name}`, server.environment, times)
  } finally {
    renameSync(served, objects)
    await server.stop()
  }
}

/** Killed again and again, each start has the whole tail to read; after a clean stop the snapshot is at the ledger's end. */
async function startOn(
  kind: string,
  urlOf: (name: string) => string,
  environment: Record<string, string>,
  times: number,
): Promise<void> {
  const on = (name: string, topics: number, signal: NodeJS.Signals) => start(urlOf(name), environment, topics, signal)
  for (let i = 0; i < times; i++) {
    print(lineOf(`${kind}, new`, await on(`new-${i}-${Date.now()}`, 0, 'SIGTERM')))
    print(lineOf(`${kind}, after kill -9`, await on('data', topicCount, 'SIGKILL')))
  }
  await on('data', topicCount, 'SIGTERM')
  for (let i = 0; i < times; i++) print(lineOf(`${kind}, after a stop`, await on('data', topicCount, 'SIGTERM')))
}

/** Starts a gateway on a store of so many topics, and ends it once it has answered. */
async function start(
  url: string,
  environment: Record<string, string>,
  topicsExpected: number,
  signal: NodeJS.Signals,
): Promise<Start> {
  const port = await freePort()
  const startedAt = performance.now()
  const child = spawn(process.execPath, [gatewayProgram], {
    cwd: values.folder, // so that nobody's config.toml is read
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...environment,
      HERACLITUS_KAFKA_HOST: '127.0.0.1',
      HERACLITUS_KAFKA_PORT: String(port),
      HERACLITUS_METRICS_HOST: '127.0.0.1',
      HERACLITUS_METRICS_PORT: '0',
      HERACLITUS_STORAGE_URL: url,
    },
  })
  const stop = endingWithUs(child, () => undefined)
  try {
    await untilAnswering(child, port, outputOf(child))
    const apiVersionsMs = performance.now() - startedAt
    const connection = await openConnection({ host: '127.0.0.1', port, clock: systemClock })
    const { topics } = await connection.request(Metadata, { topics: null, allowAutoTopicCreation: false })
    const metadataMs = performance.now() - startedAt
    if (topics.length !== topicsExpected) throw new Error(`${topics.length} topics instead of ${topicsExpected}`)
    const [topic] = topics
    const errorCode = topic === undefined ? 0 : await produce(connection, topic.topicId)
    const produceMs = performance.now() - startedAt
    if (errorCode !== 0) throw new Error(`Produce was answered ${errorCode}`)
    connection.close()
    const { cpuSeconds } = usageOf(child.pid ?? 0)
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1_024
    const [rssMib, peakMib] = [mib(kib('VmRSS')), mib(kib('VmHWM'))]
    return { apiVersionsMs, metadataMs, produceMs, rssMib, peakMib, cpuSeconds }
  } finally {
    if (signal === 'SIGKILL') {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    }
    await stop()
  }
}

async function produce(connection: Connection, topicId: string): Promise<number | undefined> {
  const record = { timestampMs: Date.now(), key: null, value: Buffer.alloc(100), headers: [] }
  const partitionData = [{ index: 0, records: [encodeBatch({ records: [record] })] }]
  const topicData = [{ name: topicOf(0), topicId, partitionData }]
  const request = { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData }
  const { responses } = await connection.request(Produce, request)
  return responses[0]?.partitionResponses[0]?.errorCode
}

const mib = (bytes: number) => Math.round(bytes / 2 ** 20)

function lineOf(name: string, found: Start): string {
  const { apiVersionsMs, metadataMs, produceMs, rssMib, peakMib, cpuSeconds } = found
  const numbers = [apiVersionsMs, metadataMs, produceMs].map((ms) => ms.toFixed(0).padStart(10))
  const memory = [rssMib, peakMib].map((size) => String(size).padStart(6))
  const [load = 0] = loadavg()
  return `${name.padEnd(25)}${numbers.join('')} ${memory.join(' ')} ${cpuSeconds.toFixed(1).padStart(6)} ${load.toFixed(1).padStart(5)}`
}

if (values.help) print(usage)
else await main()
