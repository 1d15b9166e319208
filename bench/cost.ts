/**
 * What gateways ask of S3, what that costs, and how long producers wait, on a local S3 server behind a proxy that makes it
 * as slow as S3 Standard (median 60 ms a put, 30 ms a get, log-normal).
 *
 *   node dist/bench/cost.js [--instances 1,3] [--loads idle,waiting,1,50] [--settings default,low-latency]
 *     [--seconds 30] [--client franz-go] [--put-ms 60] [--get-ms 30] [--json FILE]
 *
 * Loads: `idle`, no client; `waiting`, a consumer at each instance and nothing produced; a number, so many MB/s in all,
 * produced at every instance alike, each topic consumed at the tail at the next instance. Requests are counted by the
 * gateways' own metrics; the proxy's count stands beside them. How much goes through at most: s3/run.ts.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import kafkajs from 'kafkajs'
import { type S3Server, startS3Server } from '../tests/integration/s3-server.js'
import { type SlowProxy, startSlowProxy } from '../tests/integration/slow-proxy.js'
import { type Generator, generatorOf, type LoadResult } from './generators.js'
import { type Client, clients, type Load } from './loads.js'
import { dollarsPerMonth, dollarsPerSecond, prices } from './prices.js'
import { settingsByName } from './s3/systems.js'
import { type Gateway, startGateway } from './servers/gateway.js'

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '1,3' },
    loads: { type: 'string', default: 'idle,waiting,1,50' },
    settings: { type: 'string', default: 'default,low-latency' },
    seconds: { type: 'string', default: '30' },
    client: { type: 'string', default: 'franz-go' },
    'put-ms': { type: 'string', default: '60' },
    'get-ms': { type: 'string', default: '30' },
    json: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const client = clients.find((one) => one === values.client) as Client
const warmUpSeconds = 8
const partitions = 8

/** Sums of what the gateways counted, by operation. */
interface Counts {
  put: number
  get: number
  list: number
  delete: number
  bytesPut: number
  bytesGot: number
  cpuSeconds: number
  rssMib: number[]
}

const print = (line: string) => process.stdout.write(`${line}\n`)

async function main(): Promise<void> {
  const server = await startS3Server()
  if (server.skip !== undefined) throw new Error(server.skip)
  const generator = await generatorOf(client)
  print(`${process.version}, ${client}, load average at the start ${loadavg()[0]?.toFixed(1)}`)
  print(
    '| settings | instances | load | MB/s | puts/s | gets/s | lists/s | proxy puts/gets/lists | S3 Standard $/month | $/TB | ' +
      'Express $/month | CPU s/GB | CPU % each | RSS MiB | p50 / p99 ms, each instance |',
  )
  print(`|${' --- |'.repeat(15)}`)
  try {
    for (const settings of values.settings.split(','))
      for (const count of values.instances.split(',').map(Number))
        for (const load of values.loads.split(','))
          await measure(server, generator, settings, count, load).catch((error: unknown) => {
            process.exitCode = 1
            print(`| ${settings} | ${count} | ${load} | failed: ${reasonOf(error)} |`)
          })
  } finally {
    await server.stop()
  }
}

async function measure(server: S3Server, generator: Generator, settings: string, count: number, load: string) {
  const [putMs, getMs] = [Number(values['put-ms']), Number(values['get-ms'])]
  const proxy = await startSlowProxy({ target: server.endpoint, putMs, getMs })
  const environment = {
    ...server.environment,
    AWS_ENDPOINT_URL: proxy.endpoint,
    HERACLITUS_STORAGE_URL: `s3://${server.bucket}/${randomBytes(6).toString('hex')}`,
    ...settingsByName[settings],
  }
  const instances: Gateway[] = []
  try {
    for (let i = 0; i < count; i++) {
      instances.push(await startGateway({ durability: 'fsync', environment }))
    }
    const topics = await createTopics(instances)
    const work = loadOf(load, instances, topics, generator)
    // A failure is thrown where the work is awaited.
    work.done.catch(() => undefined)
    await sleep(warmUpSeconds * 1_000)
    const before = await countsOf(instances)
    const proxyBefore = new Map(proxy.counts)
    await sleep(seconds * 1_000)
    const after = await countsOf(instances)
    const proxied = requestsAt(proxy, proxyBefore)
    const results = await work.done
    await work.end()
    report(settings, load, instances.length, before, after, proxied, work.megabytesPerSecond, results)
  } finally {
    for (const instance of instances) await instance.stop()
    await proxy.close()
  }
}

/** A failed program's stderr says more than its exit code. */
function reasonOf(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return (stderr === '' ? String(error) : stderr).slice(-300)
}

interface Work {
  /** Asked for. */
  megabytesPerSecond: number
  done: Promise<LoadResult[]>
  end(): Promise<void>
}

function loadOf(load: string, instances: readonly Gateway[], topics: readonly string[], generator: Generator): Work {
  const nothing = { megabytesPerSecond: 0, done: Promise.resolve([]), end: () => Promise.resolve() }
  if (load === 'idle') return nothing
  if (load === 'waiting') {
    const consumers = instances.map((instance, i) => waitingConsumer(instance, topics[i] ?? ''))
    return { ...nothing, end: async () => void (await Promise.all((await Promise.all(consumers)).map((end) => end()))) }
  }
  const megabytesPerSecond = Number(load)
  const size = megabytesPerSecond > 5 ? 10_240 : 1_024
  const rate = Math.round((megabytesPerSecond * 1e6) / size / instances.length)
  const records = rate * (warmUpSeconds + seconds + 2)
  const each = instances.map(async (instance, i) => {
    const one = { client, modes: [], size, compression: 'none', partitions, acks: 'all', durability: 'fsync' } as const
    const asked = { load: one as Load, topic: topics[i] ?? '', records, rate, run: randomBytes(7).toString('hex') }
    const consumer = instances[(i + 1) % instances.length] as Gateway
    const [result] = await Promise.all([
      generator({ ...asked, mode: 'produce', bootstrap: instance.bootstrap }),
      generator({ ...asked, mode: 'consume', bootstrap: consumer.bootstrap }),
    ])
    return result
  })
  return { ...nothing, megabytesPerSecond, done: Promise.all(each) }
}

/** A consumer without a group, as far as the store is concerned: it commits nothing. */
async function waitingConsumer(instance: Gateway, topic: string): Promise<() => Promise<void>> {
  const kafka = kafkaOf(instance)
  const consumer = kafka.consumer({ groupId: `waiting-${randomBytes(4).toString('hex')}` })
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ eachMessage: () => Promise.resolve() })
  return () => consumer.disconnect()
}

const kafkaOf = ({ bootstrap }: Gateway) =>
  new kafkajs.Kafka({ brokers: [bootstrap], clientId: 'cost', logLevel: kafkajs.logLevel.NOTHING })

async function createTopics(instances: readonly Gateway[]): Promise<string[]> {
  const [first] = instances as [Gateway]
  const topics = instances.map((_, i) => `cost-${i}`)
  const admin = kafkaOf(first).admin()
  await admin.connect()
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions: partitions })),
    waitForLeaders: true,
  })
  await admin.disconnect()
  return topics
}

async function countsOf(instances: readonly Gateway[]): Promise<Counts> {
  const sums: Counts = { put: 0, get: 0, list: 0, delete: 0, bytesPut: 0, bytesGot: 0, cpuSeconds: 0, rssMib: [] }
  for (const { metricsUrl } of instances) {
    const text = await (await fetch(metricsUrl)).text()
    const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
    for (const operation of ['put', 'get', 'list', 'delete'] as const)
      sums[operation] += sum(
        new RegExp(`^heraclitus_store_requests_total\\{operation="${operation}",.*\\} (.+)$`, 'gm'),
      )
    sums.bytesPut += sum(/^heraclitus_store_bytes_total\{operation="put"\} (.+)$/gm)
    sums.bytesGot += sum(/^heraclitus_store_bytes_total\{operation="get"\} (.+)$/gm)
    sums.cpuSeconds += sum(/^process_cpu_seconds_total (.+)$/gm)
    sums.rssMib.push(Math.round(sum(/^process_resident_memory_bytes (.+)$/gm) / 2 ** 20))
  }
  return sums
}

function requestsAt(proxy: SlowProxy, before: ReadonlyMap<string, number>): string {
  const rate = (method: string) => ((proxy.counts.get(method) ?? 0) - (before.get(method) ?? 0)) / seconds
  return ['PUT', 'GET', 'LIST'].map((method) => rate(method).toFixed(1)).join(' / ')
}

function report(
  settings: string,
  load: string,
  instances: number,
  before: Counts,
  after: Counts,
  proxied: string,
  megabytes: number,
  results: readonly LoadResult[],
): void {
  const per = (key: Exclude<keyof Counts, 'rssMib'>) => (after[key] - before[key]) / seconds
  const rates = {
    ...{ puts: per('put'), gets: per('get'), lists: per('list') },
    ...{ bytesPut: per('bytesPut'), bytesGot: per('bytesGot') },
  }
  const latencies = results
    .map(({ p50Ms, p99Ms }) => `${p50Ms?.toFixed(0)} / ${p99Ms?.toFixed(0)}`)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  const terabyte = megabytes === 0 ? '–' : ((dollarsPerSecond(rates, prices.standard) / megabytes) * 1e6).toFixed(2)
  const cpu = per('cpuSeconds')
  print(
    [
      '',
      settings,
      String(instances),
      load,
      megabytes.toFixed(1),
      rates.puts.toFixed(1),
      rates.gets.toFixed(1),
      rates.lists.toFixed(2),
      proxied,
      dollarsPerMonth(rates, prices.standard).toFixed(2),
      terabyte,
      dollarsPerMonth(rates, prices.express).toFixed(2),
      megabytes === 0 ? '–' : ((cpu / megabytes) * 1_000).toFixed(1),
      ((cpu / instances) * 100).toFixed(1),
      after.rssMib.join(', '),
      latencies.join(', ') || '–',
      '',
    ]
      .join(' | ')
      .trim(),
  )
  if (values.json !== undefined)
    appendFileSync(values.json, `${JSON.stringify({ settings, load, instances, rates, proxied, cpu, results })}\n`)
}

// So that what was started ends too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
await main()
