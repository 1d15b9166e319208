import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Generator, LoadRun } from './generators.js'
import { pacedRate } from './loads.js'
import { kafkaJars } from './servers/kafka.js'

const run = promisify(execFile)

/** What one of the tools printed about its run. */
interface Figures {
  seconds: number
  p50Ms: number | null
  p99Ms: number | null
}

/** Loads by Kafka's own performance tools. Their records carry no format: only their number is checked. */
export async function javaTool(timeoutSeconds: number): Promise<Generator> {
  const { classPath, version, log4jOption } = await kafkaJars()
  const tool = async (name: string, args: string[]) => {
    const java = [log4jOption, '-Xmx512m', '-cp', classPath, `org.apache.kafka.tools.${name}`]
    return (await run('java', [...java, ...args], { timeout: timeoutSeconds * 1000 })).stdout
  }
  return async (asked) => {
    const { load, mode, records } = asked
    if (mode === 'round-trip') throw new Error('the java load has no round trip')
    const figures =
      mode === 'consume'
        ? consumed(await tool('ConsumerPerformance', consumerArguments(asked)), records)
        : produced(await tool('ProducerPerformance', producerArguments(asked)), records)
    const idempotent = load.acks === 'all'
    return { client: 'java', version, records, ...figures, checksum: null, cpuSeconds: null, disorder: 0, idempotent }
  }
}

function producerArguments({ load, mode, bootstrap, topic, records }: LoadRun): string[] {
  const settings = [`acks=${load.acks}`, `compression.type=${load.compression}`]
  if (mode === 'paced') settings.push('linger.ms=0')
  return [
    ...['--bootstrap-server', bootstrap, '--topic', topic, '--num-records', String(records)],
    ...['--record-size', String(load.size), '--throughput', String(mode === 'paced' ? pacedRate : -1)],
    ...['--command-property', ...settings],
  ]
}

/** Reads the last line of ProducerPerformance. */
function produced(output: string, records: number): Figures {
  const found = /^(\d+) records sent, ([\d.]+) records\/sec.*?, (\d+) ms 50th.*?, (\d+) ms 99th/m
  for (const line of output.trim().split('\n').reverse()) {
    const [, sent, rate, p50, p99] = found.exec(line) ?? []
    if (Number(sent) === records) return { seconds: records / Number(rate), p50Ms: Number(p50), p99Ms: Number(p99) }
  }
  throw new Error(`ProducerPerformance did not say that it sent ${records} records:\n${output}`)
}

function consumerArguments({ bootstrap, topic, records }: LoadRun): string[] {
  return ['--bootstrap-server', bootstrap, '--topic', topic, '--num-records', String(records), '--hide-header']
}

/** Reads ConsumerPerformance's columns: … 5: records, … 8: fetch.time.ms, which leaves the group's join out. */
function consumed(output: string, records: number): Figures {
  const columns = output.trim().split('\n').at(-1)?.split(',').map(Number) ?? []
  if ((columns[4] ?? 0) < records)
    throw new Error(`ConsumerPerformance did not say that it got ${records} records:\n${output}`)
  return { seconds: (columns[7] ?? 0) / 1000, p50Ms: null, p99Ms: null }
}
