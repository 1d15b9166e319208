import { gatewayAndKafka, loadOnTopic, type Scenario } from './scenario.js'

const heartbeatMs = 500

/** How long a rebalance of a large group takes. */
export const groupJoin: Scenario = {
  name: 'group-join',
  about: `100 consumers, each a client of its own, come into one group at once (range assignment, one partition for each,
no initial delay, a sign of life every ${heartbeatMs} ms, by which a client learns of a rebalance); stable is when all are in one
generation and every partition has its consumer. They stay for 3 s, then five leave, one
after the other at moments of chance, and each time the others are waited for.`,
  figures: [
    { key: 'joinMs', title: 'until all are stable, ms', isBetter: 'lower' },
    { key: 'leaveMs', title: 'until stable after one left, ms', isBetter: 'lower' },
    { key: 'joinCpu', title: 'server CPU of the join, s', isBetter: 'lower' },
    { key: 'steadyCpu', title: 'server CPU of the signs of life, % of a core', isBetter: 'lower' },
    { key: 'generations', title: 'generations until stable', isBetter: 'lower' },
  ],
  start: gatewayAndKafka,
  async run(side, options) {
    const members = options.isShort ? 20 : 100
    const flags = { mode: 'join', members, heartbeat: heartbeatMs, seconds: options.isShort ? 1 : 3 }
    const report = await loadOnTopic(side, members, flags, options)
    const steady = report.during('steady')
    return {
      joinMs: report.figure('joinMs'),
      leaveMs: report.figure('leaveMs'),
      joinCpu: report.during('join').cpuSeconds,
      steadyCpu: (steady.cpuSeconds / steady.seconds) * 100,
      generations: report.figure('generations'),
    }
  },
}
