import { gatewayAndKafka, load, onTopic, type Scenario } from './scenario.js'

const partitions = 8
const connections = 16

const paths = [
  { key: 'small', title: 'produce, 1 × 100 B', mode: 'raw-produce', size: 100, batch: 1 },
  { key: 'large', title: 'produce, 64 × 1 KiB', mode: 'raw-produce', size: 1024, batch: 64 },
  { key: 'fetch', title: 'fetch, up to 1 MiB of 1 KiB records', mode: 'raw-fetch', size: 1024, batch: 64 },
] as const

/** What a request costs, without a client's batching and checks around it. */
export const requests: Scenario = {
  name: 'requests',
  about: `${connections} connections without a client library, each with one request under way, as fast as they are answered: the path of a
request alone, acks=all. Joining groups and committing offsets have scenarios of their own.`,
  figures: paths.flatMap(({ key, title }) => [
    { key, title: `requests/s, ${title}`, isBetter: 'higher' as const },
    { key: `${key} CPU`, title: `server CPU µs a request, ${title}`, isBetter: 'lower' as const },
    ...(key === 'fetch' ? [] : [{ key: `${key} p99`, title: `p99 ms, ${title}`, isBetter: 'lower' as const }]),
  ]),
  writtenBytes: 6 * 2 ** 30,
  start: gatewayAndKafka,
  async run(side, { isShort, onComplaint }) {
    const figures: Record<string, number> = {}
    for (const { key, mode, size, batch } of paths)
      await onTopic(side, partitions, onComplaint, async (topic) => {
        const flags = { connections, size, 'batch-records': batch }
        if (key === 'fetch') await load(side, topic, { ...flags, mode: 'raw-produce', seconds: 1 })
        const report = await load(side, topic, { ...flags, mode, seconds: isShort ? 1 : 3 })
        const used = report.during(key === 'fetch' ? 'fetch' : 'produce')
        figures[key] = report.figure('requests') / used.seconds
        figures[`${key} CPU`] = (used.cpuSeconds * 1e6) / report.figure('requests')
        if (key !== 'fetch') figures[`${key} p99`] = report.figure('p99Ms')
      })
    return figures
  },
}
