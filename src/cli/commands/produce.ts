import { Produce } from '../../protocol/messages/produce.js'
import { type Compression, compressions } from '../../protocol/records/batch.js'
import { encodeBatch, type RecordToEncode } from '../../protocol/records/record.js'
import { clientOptions, clientOptionsUsage, integer, pairs, parse, UsageError } from '../arguments.js'
import type { Connection } from '../client/connection.js'
import { check } from '../client/errors.js'
import { partitionForKey } from '../client/partitioner.js'
import { type TopicMetadata, topicNamed } from '../client/topics.js'
import { withGateway } from '../gateway.js'
import { linesOf } from '../lines.js'
import type { Terminal } from '../terminal.js'

export const usage = `heraclitus produce TOPIC [VALUE...] [options]

Writes records to a topic: each VALUE, or each line of standard input. The topic is created if the gateway allows it.

  -k, --key KEY          key of every record
      --key-separator S  a line is KEY S VALUE; lines without S have no key
      --partition N      partition of every record; by key, else by turns, unless given
  -H, --header NAME=TEXT a header of every record; may be repeated
  -z, --compression C    none, gzip, snappy, lz4 or zstd
${clientOptionsUsage}`

/** Requests under way at once; a connection's requests are answered in order. */
const inFlightMax = 5
/** Bytes of keys and values in one batch; one more record may go beyond. */
const batchBytesMax = 256 * 1024

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, {
    ...clientOptions,
    key: { type: 'string', short: 'k' },
    'key-separator': { type: 'string' },
    partition: { type: 'string' },
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    compression: { type: 'string', short: 'z', default: 'none' },
  })
  const [topicName, ...texts] = positionals
  if (topicName === undefined) throw new UsageError('expected a TOPIC')
  const partition = integer('partition', values.partition, 0)
  const compression = compressions.find((name) => name === values.compression)
  if (!compression) throw new UsageError(`--compression ${values.compression}: expected ${compressions.join(', ')}`)
  const headers = pairs('header', values.header).map(([key, text]) => ({ key, value: Buffer.from(text) }))

  return await withGateway(values, terminal, async (connection) => {
    const topic = await topicNamed(connection, topicName, terminal)
    if (partition !== undefined && !topic.partitions.includes(partition))
      throw new UsageError(`--partition ${partition}: ${topicName} has partitions 0 to ${topic.partitions.length - 1}`)
    const sender = new Sender({ connection, topic, partition, compression, json: values.json, terminal })
    const lines = texts.length > 0 ? [texts.map((text) => Buffer.from(text))] : linesOf(terminal.stdin, terminal.signal)
    for await (const some of lines) {
      const records = some.map((line) => ({
        ...split(line, values.key, values['key-separator']),
        timestampMs: terminal.clock.now(),
        headers,
      }))
      await sender.send(records)
    }
    await sender.finish()
    if (!values.json)
      terminal.note(`${sender.count} ${sender.count === 1 ? 'record' : 'records'} written to ${topicName}`)
    return 0
  })
}

function split(line: Buffer, key: string | undefined, separator: string | undefined) {
  const at = separator ? line.indexOf(separator) : -1
  if (separator && at >= 0)
    return { key: line.subarray(0, at), value: line.subarray(at + Buffer.byteLength(separator)) }
  return { key: key === undefined ? null : Buffer.from(key), value: line }
}

interface SenderOptions {
  connection: Connection
  topic: TopicMetadata
  partition: number | undefined
  compression: Compression
  json: boolean
  terminal: Terminal
}

/** Sends records in batches, some requests at a time, and stops at the first that fails. */
class Sender {
  readonly #options: SenderOptions
  readonly #underWay: Promise<void>[] = []
  #turn = 0
  /** Records acknowledged so far. */
  count = 0

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Sends the records; returns when few enough requests are under way. */
  async send(records: readonly RecordToEncode[]): Promise<void> {
    const batches = new Map<number, RecordToEncode[]>()
    let bytes = 0
    const turn = this.#turn++
    for (const record of records) {
      const partition = this.#partitionOf(record, turn)
      const batch = batches.get(partition)
      if (batch) batch.push(record)
      else batches.set(partition, [record])
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      if (bytes < batchBytesMax) continue
      await this.#request(batches)
      batches.clear()
      bytes = 0
    }
    if (batches.size > 0) await this.#request(batches)
  }

  async finish(): Promise<void> {
    while (this.#underWay.length > 0) await this.#underWay.shift()
  }

  #partitionOf(record: RecordToEncode, turn: number): number {
    const { partition, topic } = this.#options
    if (partition !== undefined) return partition
    const index =
      record.key === null ? turn % topic.partitions.length : partitionForKey(record.key, topic.partitions.length)
    return topic.partitions[index] ?? 0
  }

  async #request(batches: ReadonlyMap<number, readonly RecordToEncode[]>): Promise<void> {
    const { connection, topic, compression } = this.#options
    const answered = connection.request(Produce, {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [
        {
          name: topic.name,
          topicId: topic.id,
          partitionData: [...batches].map(([index, records]) => ({
            index,
            records: [encodeBatch({ records, compression })],
          })),
        },
      ],
    })
    const counts = new Map([...batches].map(([index, records]) => [index, records.length]))
    const done = answered.then(async ({ responses }) => {
      for (const { index, errorCode, errorMessage, baseOffset } of responses[0]?.partitionResponses ?? []) {
        check(`write to ${topic.name}-${index}`, errorCode, errorMessage)
        await this.#acknowledged(index, baseOffset, counts.get(index) ?? 0)
      }
    })
    // Awaited in order below; until then a failure must not count as unhandled.
    done.catch(() => undefined)
    this.#underWay.push(done)
    if (this.#underWay.length >= inFlightMax) await this.#underWay.shift()
  }

  async #acknowledged(partition: number, offset: number, records: number): Promise<void> {
    const { json, terminal, topic } = this.#options
    this.count += records
    if (json) await terminal.out(`${JSON.stringify({ topic: topic.name, partition, offset, records })}\n`)
  }
}
