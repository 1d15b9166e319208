import { scrape } from '../scrape.js'
import { gatewayAndKafka, loadOnTopic, type Scenario } from './scenario.js'

const partitions = 8
const groups = 20
const rate = 5_000

/** One producer, many groups at the tail. */
export const fanOut: Scenario = {
  name: 'fan-out',
  about: `${groups} groups of one consumer each read at the tail what one producer writes without lingering, ${rate.toLocaleString('en')} records of
1 KiB a second over ${partitions} partitions; every consumer checks every record. Time is from send to consumption. Reads of the
store and of memory are counted by the gateway itself (\`heraclitus_store_requests_total\`, \`heraclitus_cache_hits_total\`).`,
  figures: [
    { key: 'p50Ms', title: 'p50 ms', isBetter: 'lower' },
    { key: 'p99Ms', title: 'p99 ms', isBetter: 'lower' },
    { key: 'cpuPerMillion', title: 'server CPU s per million delivered', isBetter: 'lower' },
    { key: 'cpuPercent', title: 'server CPU, % of a core', isBetter: 'lower' },
    { key: 'deliveredPerSecond', title: 'delivered/s', isBetter: 'higher' },
    { key: 'rssMib', title: 'server RSS MiB', isBetter: 'lower' },
    { key: 'gets', title: 'reads of the store per 1,000 records written', isBetter: 'neither' },
    { key: 'bytesGot', title: 'bytes read from the store per byte written', isBetter: 'neither' },
    { key: 'hits', title: 'reads from memory per 1,000 records written', isBetter: 'neither' },
    { key: 'puts', title: 'writes to the store per 1,000 records written', isBetter: 'neither' },
  ],
  start: gatewayAndKafka,
  async run(side, options) {
    const records = options.isShort ? rate : rate * 8
    const { metricsUrl } = side.server
    const before = metricsUrl === undefined ? undefined : await scrape(metricsUrl)
    const flags = { mode: 'fan-out', members: groups, records, rate, size: 1024 }
    const report = await loadOnTopic(side, partitions, flags, options)
    const after = metricsUrl === undefined ? undefined : await scrape(metricsUrl)
    const used = report.during('fan-out')
    const counted = (...of: Parameters<NonNullable<typeof after>>) =>
      before === undefined || after === undefined ? null : after(...of) - before(...of)
    const perThousand = (count: number | null) => (count === null ? null : (count * 1000) / records)
    const [got, put] = [
      counted('heraclitus_store_bytes_total', { operation: 'get' }),
      counted('heraclitus_store_bytes_total', { operation: 'put' }),
    ]
    return {
      p50Ms: report.figure('p50Ms'),
      p99Ms: report.figure('p99Ms'),
      cpuPerMillion: (used.cpuSeconds * 1e6) / report.figure('delivered'),
      cpuPercent: (used.cpuSeconds / used.seconds) * 100,
      deliveredPerSecond: report.figure('deliveredPerSecond'),
      rssMib: used.rssMib,
      gets: perThousand(counted('heraclitus_store_requests_total', { operation: 'get', outcome: 'ok' })),
      bytesGot: got === null || put === null ? null : got / put,
      hits: perThousand(counted('heraclitus_cache_hits_total')),
      puts: perThousand(counted('heraclitus_store_requests_total', { operation: 'put' })),
    }
  },
}
