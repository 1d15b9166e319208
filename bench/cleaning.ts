import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.js'
import { type Connection, openConnection } from '../src/cli/client/connection.js'
import { CreateTopics } from '../src/protocol/messages/create-topics.js'
import { Metadata } from '../src/protocol/messages/metadata.js'
import { Produce } from '../src/protocol/messages/produce.js'
import { type Compression, compressions } from '../src/protocol/records/batch.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { cleaningPartitions, cleaningTopic, makeCleaningStore } from './cleaning-store.js'
import type { LoopMessage, LoopSummary } from './loop-probe.js'
import { machine } from './machine.js'
import { type Gateway, gatewayProgram, startGateway } from './servers/gateway.js'
import { quantile } from './tables.js'
import { measured } from './usage.js'

const usage = `node dist/bench/cleaning.js [options]

What producers and the event loop notice of the cleaning of a compacted topic. A gateway is started on a store of which
everything is to be cleaned; until that is done, a client produces 10 records of 1 KiB to another topic every 10 ms, and once
more for some seconds when it is done ("quiet"). The event loop is looked at every 5 ms: how late it is, and how long its
thread was on a CPU at a stretch, which is all that counts on a machine that has other things to do. Linux only.

  --codec NAMES      codecs of the compacted topic's batches (zstd,gzip)
  --unpacked MIB     its batches before they are compressed (16)
  --ratio N          how much smaller they get, about (16)
  --value BYTES      its records' values (1024)
  --stored MIB       all of it, compressed (512)
  --rounds N         (3)
  --against PROGRAM  another build's dist/src/cli/heraclitus.js, which takes turns with this one's
  --quiet SECONDS    (10)
  --folder FOLDER    where the stores are made; one that is there already is used again, and left
`

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    codec: { ...text, default: 'zstd,gzip' },
    unpacked: { ...text, default: '16' },
    ratio: { ...text, default: '16' },
    value: { ...text, default: '1024' },
    stored: { ...text, default: '512' },
    rounds: { ...text, default: '3' },
    quiet: { ...text, default: '10' },
    against: text,
    folder: text,
    help: { type: 'boolean', default: false },
  },
})
const print = (line: string) => void process.stdout.write(`${line}\n`)
const note = (line: string) => void process.stderr.write(`${line}\n`)
const mib = 2 ** 20
const probe = new URL('./loop-probe.js', import.meta.url).href
const produceEveryMs = 10
const warmUps = 20

/** What was seen while it cleaned, or did not. Times in milliseconds. */
interface Figures {
  seconds: number
  loop: LoopSummary
  produceP50: number
  produceP99: number
  produceMax: number
  cpuSeconds: number
  rssMib: number
}

async function main(): Promise<void> {
  const codecs = values.codec.split(',')
  const [unpacked, ratio, value, stored, rounds, quiet] = [
    ...[values.unpacked, values.ratio, values.value, values.stored, values.rounds, values.quiet].map(Number),
  ] as [number, number, number, number, number, number]
  const wrong = codecs.find((codec) => !(compressions as readonly string[]).includes(codec))
  if (wrong !== undefined || ![unpacked, ratio, value, stored, rounds, quiet].every((each) => each > 0)) {
    note(`expected --codec of ${compressions.join(', ')}, and numbers above 0\n\n${usage}`)
    process.exitCode = 2
    return
  }
  const folder = values.folder ?? mkdtempSync(`${tmpdir()}/heraclitus-bench-cleaning-`)
  try {
    for (const [name, found] of machine(folder)) print(`${name}: ${found}`)
    for (const codec of codecs as Compression[]) {
      const data = `${folder}/${codec}-${unpacked}-${ratio}-${value}-${stored}`
      if (!existsSync(data)) {
        const onProgress = (bytes: number) => note(`${codec}: ${Math.round(bytes / mib)} MiB written`)
        const sizes = { unpackedBytes: unpacked * mib, valueBytes: value, ratio, bytes: stored * mib }
        const made = await makeCleaningStore({ folder: data, compression: codec, ...sizes, onProgress })
        note(`${codec}: ${Math.round(made.bytes / mib)} MiB, ${made.records} records`)
      }
      print(`\n${codec}, ${stored} MiB in batches of ${unpacked} MiB unpacked, values of ${value} bytes`)
      print(head)
      for (let round = 0; round < rounds; round++)
        for (const [name, program] of programs()) {
          const found = await run(data, program, quiet * 1_000)
          print(lineOf(`${name}, cleaning`, found.cleaning))
          print(lineOf(`${name}, quiet`, found.quiet))
        }
    }
  } finally {
    if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

function* programs(): Generator<[string, string]> {
  if (values.against !== undefined) yield ['against', values.against]
  yield ['this', gatewayProgram]
}

async function run(data: string, program: string, quietMs: number): Promise<{ cleaning: Figures; quiet: Figures }> {
  const environment = {
    HERACLITUS_LOG_LEVEL: 'debug',
    // Begins once the client is ready.
    HERACLITUS_STORAGE_COMPACT_INTERVAL_MS: '1000',
  }
  const gateway = await startGateway({ durability: 'page cache', preload: probe, data, program, environment })
  const { child } = gateway
  try {
    let cleaned = 0
    const done = new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('the gateway ended')))
      child.stderr?.on('data', (chunk: Buffer) => {
        // Its lines are short, and come whole.
        cleaned += chunk.toString().split(`"topic":"${cleaningTopic}"`).length - 1
        if (cleaned >= cleaningPartitions) resolve()
      })
    })
    const [host = '', port] = gateway.bootstrap.split(':')
    const connection = await openConnection({ host, port: Number(port), clock: systemClock })
    const topicId = await createTopic(connection)
    // What is done for the first time takes longer.
    for (let time = 0; time < warmUps; time++) await produce(connection, topicId)
    const cleaning = await watch(gateway, connection, topicId, done)
    const quiet = await watch(gateway, connection, topicId, sleep(quietMs))
    connection.close()
    return { cleaning, quiet }
  } finally {
    child.removeAllListeners('exit')
    await gateway.stop()
  }
}

/** Produces, and looks, until something is over. */
async function watch(gateway: Gateway, connection: Connection, topicId: string, over: Promise<void>): Promise<Figures> {
  const period = () => gateway.tell({ loop: 'period' } satisfies LoopMessage) as Promise<LoopSummary>
  await period()
  let isOver = false
  const latencies: number[] = []
  const begun = performance.now()
  const { cpuSeconds, rssMib } = await measured(gateway.pid, async () => {
    const underWay: Promise<void>[] = []
    const end = over.finally(() => {
      isOver = true
    })
    for (let due = performance.now(); !isOver; due += produceEveryMs) {
      // From when it was due on: a client that is held up has not sent less.
      underWay.push(produce(connection, topicId).then(() => void latencies.push(performance.now() - due)))
      const waitMs = due + produceEveryMs - performance.now()
      if (waitMs > 0) await sleep(waitMs)
    }
    await end
    await Promise.all(underWay)
  })
  const seconds = (performance.now() - begun) / 1_000
  const loop = await period()
  latencies.sort((a, b) => a - b)
  return {
    seconds,
    loop,
    produceP50: quantile(latencies, 0.5),
    produceP99: quantile(latencies, 0.99),
    produceMax: quantile(latencies, 1),
    cpuSeconds,
    rssMib,
  }
}

async function createTopic(connection: Connection): Promise<string> {
  const name = 'ordinary'
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  const { topics } = await connection.request(CreateTopics, { topics: [topic], timeoutMs: 30_000, validateOnly: false })
  if (topics[0]?.errorCode !== 0) throw new Error(`CreateTopics was answered ${topics[0]?.errorCode}`)
  const { topics: found } = await connection.request(Metadata, {
    topics: [{ topicId: topics[0].topicId, name }],
    allowAutoTopicCreation: false,
  })
  return found[0]?.topicId ?? ''
}

async function produce(connection: Connection, topicId: string): Promise<void> {
  const record = { timestampMs: Date.now(), key: null, value: Buffer.alloc(1024), headers: [] }
  const partitionData = [{ index: 0, records: [encodeBatch({ records: Array.from({ length: 10 }, () => record) })] }]
  const topicData = [{ name: 'ordinary', topicId, partitionData }]
  const request = { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData }
  const { responses } = await connection.request(Produce, request)
  const errorCode = responses[0]?.partitionResponses[0]?.errorCode
  if (errorCode !== 0) throw new Error(`Produce was answered ${errorCode}`)
}

const head = `${''.padEnd(18)}     s |     loop late by, ms        |    its thread on a CPU, ms  |  produce, ms              | CPU s  RSS  load
${''.padEnd(25)}|   p99  p99.9   max  >20 ms  |   p99  p99.9   max  >20 ms  |   p50     p99     max     |       MiB`

function lineOf(name: string, { seconds, loop, ...found }: Figures): string {
  const spread = ({ p99, p999, max, late }: LoopSummary['delay']) =>
    [p99, p999, max].map((ms) => ms.toFixed(1).padStart(6)).join('') + String(late).padStart(6)
  const times = [found.produceP50, found.produceP99, found.produceMax].map((ms) => ms.toFixed(2).padStart(8)).join('')
  return [
    name.padEnd(18) + seconds.toFixed(1).padStart(6),
    spread(loop.delay).padEnd(27),
    spread(loop.onCpu).padEnd(27),
    times.padEnd(25),
    `${found.cpuSeconds.toFixed(1).padStart(5)}${found.rssMib.toFixed(0).padStart(5)}${(loadavg()[0] ?? 0).toFixed(1).padStart(6)}`,
  ].join(' | ')
}

if (values.help) print(usage)
else await main()
