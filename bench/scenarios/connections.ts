import { gatewayAndKafka, loadOnTopic, type Scenario } from './scenario.js'

const partitions = 8
const connections = 1_000

/** Many clients that do little. */
export const manyConnections: Scenario = {
  name: 'connections',
  about: `${connections.toLocaleString('en')} connections that have asked for ApiVersions: first idle, then each appends a record of 100 B every second (acks=all),
their moments spread over the second. Time is from the moment at which a request was due to its answer. The load program writes
to plain sockets.`,
  figures: [
    { key: 'idleRssMib', title: 'server RSS, idle connections, MiB', isBetter: 'lower' },
    { key: 'idleCpu', title: 'server CPU, idle connections, % of a core', isBetter: 'lower' },
    { key: 'p50Ms', title: 'p50 ms', isBetter: 'lower' },
    { key: 'p99Ms', title: 'p99 ms', isBetter: 'lower' },
    { key: 'cpuPerMillion', title: 'server CPU s per million requests', isBetter: 'lower' },
    { key: 'cpuPercent', title: 'server CPU, % of a core', isBetter: 'lower' },
    { key: 'rssMib', title: 'server RSS, producing, MiB', isBetter: 'lower' },
    { key: 'perSecond', title: 'requests/s', isBetter: 'higher' },
  ],
  start: gatewayAndKafka,
  async run(side, options) {
    const [idle, seconds] = options.isShort ? [1, 3] : [4, 8]
    const flags = { mode: 'raw-produce', connections, rate: connections, size: 100, idle, seconds }
    const report = await loadOnTopic(side, partitions, flags, options)
    const [idling, used] = [report.during('idle'), report.during('produce')]
    return {
      idleRssMib: idling.rssMib,
      idleCpu: (idling.cpuSeconds / idling.seconds) * 100,
      p50Ms: report.figure('p50Ms'),
      p99Ms: report.figure('p99Ms'),
      cpuPerMillion: (used.cpuSeconds * 1e6) / report.figure('requests'),
      cpuPercent: (used.cpuSeconds / used.seconds) * 100,
      rssMib: used.rssMib,
      perSecond: report.figure('requestsPerSecond'),
    }
  },
}
