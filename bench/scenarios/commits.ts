import { gatewayAndKafka, loadOnTopic, type Scenario } from './scenario.js'

const partitions = 8
const connections = 16

/** Offset commits as fast as they are acknowledged. */
export const commits: Scenario = {
  name: 'commits',
  about: `${connections} clients, each with a group of its own, commit the offsets of ${partitions} partitions again and again, one request
at a time; what was committed last is read back.`,
  figures: [
    { key: 'perSecond', title: 'commits/s', isBetter: 'higher' },
    { key: 'cpuPerMillion', title: 'server CPU s per million', isBetter: 'lower' },
    { key: 'p50Ms', title: 'p50 ms', isBetter: 'lower' },
    { key: 'p99Ms', title: 'p99 ms', isBetter: 'lower' },
    { key: 'rssMib', title: 'server RSS MiB', isBetter: 'lower' },
  ],
  start: gatewayAndKafka,
  async run(side, options) {
    const records = options.isShort ? 4_000 : 30_000
    const report = await loadOnTopic(side, partitions, { mode: 'commit', connections, records }, options)
    const used = report.during('commit')
    return {
      perSecond: report.figure('commitsPerSecond'),
      cpuPerMillion: (used.cpuSeconds * 1e6) / report.figure('commits'),
      p50Ms: report.figure('p50Ms'),
      p99Ms: report.figure('p99Ms'),
      rssMib: used.rssMib,
    }
  },
}
