import { clientOptions, clientOptionsUsage, integer, one, parse, UsageError } from '../arguments.js'
import { groupSource } from '../client/group-source.js'
import { partitionSource, type RecordSource } from '../client/record-source.js'
import { topicNamed } from '../client/topics.js'
import { withGateway } from '../gateway.js'
import { jsonFormat, type RecordFormat, templateFormat, valueFormat } from '../record-format.js'
import type { Terminal } from '../terminal.js'

export const usage = `heraclitus consume TOPIC [options]

Prints the records of a topic as they come, until it is stopped: each value on a line.

  -b, --from-beginning   from the first record; from now on unless given (a group goes on where it was)
  -g, --group GROUP      as a member of a consumer group; commits on exit and every five seconds
      --partition N      this partition alone
      --offset N         from this offset (with --partition)
  -n, --max-messages N   stop after so many records
      --timeout-ms N     stop when no record came for so long
  -f, --format FORMAT    %t topic, %p partition, %o offset, %T timestamp, %k key, %v value, %h headers
${clientOptionsUsage}`

/** How long one fetch waits for records, so that a stop is soon heard. */
const pollMs = 500

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, {
    ...clientOptions,
    'from-beginning': { type: 'boolean', short: 'b', default: false },
    group: { type: 'string', short: 'g' },
    partition: { type: 'string' },
    offset: { type: 'string' },
    'max-messages': { type: 'string', short: 'n' },
    'timeout-ms': { type: 'string' },
    format: { type: 'string', short: 'f' },
  })
  const topicName = one('a TOPIC', positionals)
  const { group, format, json } = values
  const partition = integer('partition', values.partition, 0)
  const offset = integer('offset', values.offset, 0)
  const bounds = {
    recordsMax: integer('max-messages', values['max-messages'], 1) ?? Number.POSITIVE_INFINITY,
    idleMs: integer('timeout-ms', values['timeout-ms'], 1) ?? Number.POSITIVE_INFINITY,
  }
  if (group !== undefined && partition !== undefined) throw new UsageError('--group and --partition exclude each other')
  if (offset !== undefined && partition === undefined) throw new UsageError('--offset needs --partition')
  if (json && format !== undefined) throw new UsageError('--json and --format exclude each other')
  const show = json ? jsonFormat : format === undefined ? valueFormat : templateFormat(format)

  return await withGateway(values, terminal, async (connection) => {
    const topic = await topicNamed(connection, topicName, terminal)
    if (partition !== undefined && !topic.partitions.includes(partition))
      throw new UsageError(`--partition ${partition}: ${topicName} has partitions 0 to ${topic.partitions.length - 1}`)
    const start = values['from-beginning'] ? ('earliest' as const) : ('latest' as const)
    const options = { connection, topic, start, clock: terminal.clock }
    const source =
      group === undefined
        ? await partitionSource({
            ...options,
            partitions: partition === undefined ? topic.partitions : [partition],
            offset,
          })
        : await groupSource({ ...options, group })
    try {
      await copy(source, show, bounds, terminal)
    } finally {
      await source.close()
    }
    return 0
  })
}

/** Shows records until a bound is reached or the command is stopped. */
async function copy(
  source: RecordSource,
  show: RecordFormat,
  { recordsMax, idleMs }: { recordsMax: number; idleMs: number },
  { clock, out, signal }: Terminal,
): Promise<void> {
  let left = recordsMax
  let lastAt = clock.monotonic()
  while (left > 0 && !signal.aborted) {
    const records = await source.poll(Math.min(pollMs, idleMs))
    let shown = 0
    for (const record of records.slice(0, left)) {
      if (signal.aborted) break
      await out(show(record))
      shown++
    }
    source.giveBack(records.slice(shown))
    left -= shown
    const now = clock.monotonic()
    if (records.length > 0) lastAt = now
    else if (now - lastAt >= idleMs) return
  }
}
