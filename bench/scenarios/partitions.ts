import { measured } from '../usage.js'
import { gatewayAndKafka, load, onTopic, type Scenario } from './scenario.js'

const size = 1024

/** One topic of many partitions, all of them written to. */
export const manyPartitions: Scenario = {
  name: 'partitions',
  about: `Records of 1 KiB (acks=all) go to the 1,000 partitions of a topic in turn, so every request has a small batch for each of many of
them; then one consumer reads all 1,000 from the beginning and checks every record.`,
  figures: [
    { key: 'produced', title: 'records/s, produce', isBetter: 'higher' },
    { key: 'produceCpu', title: 'server CPU s/M, produce', isBetter: 'lower' },
    { key: 'p99Ms', title: 'p99 ms, produce', isBetter: 'lower' },
    { key: 'consumed', title: 'records/s, consume', isBetter: 'higher' },
    { key: 'consumeCpu', title: 'server CPU s/M, consume', isBetter: 'lower' },
    { key: 'rssMib', title: 'server RSS MiB', isBetter: 'lower' },
  ],
  writtenBytes: 2 ** 30,
  start: gatewayAndKafka,
  run(side, options) {
    const partitions = options.isShort ? 100 : 1_000
    const records = options.isShort ? 20_000 : 200_000
    const run = Math.floor(Math.random() * 2 ** 48).toString(16)
    return onTopic(side, partitions, options.onComplaint, async (topic) => {
      const flags = { records, size, run }
      const produced = await measured(side.server.pid, () =>
        load(side, topic, { ...flags, mode: 'produce', spread: true }),
      )
      const consumed = await measured(side.server.pid, () => load(side, topic, { ...flags, mode: 'consume' }))
      if (produced.result.figure('checksum') !== consumed.result.figure('checksum'))
        throw new Error('what was consumed is not what was produced')
      return {
        produced: records / produced.result.figure('seconds'),
        produceCpu: (produced.cpuSeconds * 1e6) / records,
        p99Ms: produced.result.figure('p99Ms'),
        consumed: records / consumed.result.figure('seconds'),
        consumeCpu: (consumed.cpuSeconds * 1e6) / records,
        rssMib: Math.max(produced.rssMib, consumed.rssMib),
      }
    })
  },
}
