import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { crc32 } from '@node-rs/crc32'
import kafkajs, { type Consumer, type Kafka as KafkaClient, type Producer } from 'kafkajs'
import { lz4Compress, lz4Decompress } from '../../src/protocol/records/lz4.js'

// Load program on kafkajs; see README.md for the command line and the record format.

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const headBytes = 16
const tailBytes = 4
/** Values of one send: kafkajs has no batching of its own, so the program sends what others would batch. */
const sendBytes = 65_536
/** Sends under way at once, each to another partition, for kafkajs keeps no order among those to one. */
const sendsAtOnce = 5
const consumedBytesMax = 2 ** 26

const { values: a } = parseArgs({
  options: {
    bootstrap: { type: 'string', default: '127.0.0.1:9092' },
    topic: { type: 'string', default: 'bench' },
    mode: { type: 'string', default: 'produce' },
    records: { type: 'string', default: '100000' },
    size: { type: 'string', default: '1024' },
    compression: { type: 'string', default: 'none' },
    acks: { type: 'string', default: 'all' },
    rate: { type: 'string', default: '0' },
    run: { type: 'string', default: '1' },
    timeout: { type: 'string', default: '120' },
  },
})
const records = Number(a.records)
const size = Number(a.size)
const run = BigInt(`0x${a.run}`)
const acks = a.acks === 'all' ? -1 : Number(a.acks)
let progress = 'at the start'

interface Outcome {
  seconds: number
  latencies: number[]
  checksum: number
  disorder: number
}

function fail(reason: string): never {
  process.stderr.write(`kafkajs: ${reason}\n`)
  process.exit(1)
}

/** Makes value number `sequence`; adds its CRC to `sum`. */
function maker() {
  const filler = Buffer.alloc(2 ** 18 + size)
  for (let at = 0, state = 1; at < filler.length; at += 7) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    filler.write(`${(((state >>> 23) & 0xff) * 65_793).toString(16).padStart(6, '0')} `, at, 'latin1')
  }
  const made = { sum: 0, value }
  function value(sequence: number): Buffer {
    const bytes = Buffer.allocUnsafe(size)
    const end = size - tailBytes
    bytes.writeBigUInt64BE(run, 0)
    bytes.writeBigUInt64BE(BigInt(sequence), 8)
    filler.copy(bytes, headBytes, (sequence * 977) % 2 ** 18, ((sequence * 977) % 2 ** 18) + end - headBytes)
    const crc = crc32(bytes.subarray(0, end))
    bytes.writeUInt32BE(crc, end)
    made.sum = (made.sum + crc) >>> 0
    return bytes
  }
  return made
}

function checker() {
  const isSeen = new Uint8Array(records)
  const last = new Map<number, number>()
  const seen = { count: 0, sum: 0, disorder: 0, add }
  function add(partition: number, value: Buffer): void {
    const end = value.length - tailBytes
    if (end < headBytes) fail(`a value of ${value.length} bytes`)
    const crc = crc32(value.subarray(0, end))
    if (crc !== value.readUInt32BE(end)) fail(`bad CRC in partition ${partition}`)
    const sequence = Number(value.readBigUInt64BE(8))
    if (value.readBigUInt64BE(0) !== run || sequence >= records) fail(`record ${sequence} is not ours`)
    if (isSeen[sequence]) fail(`record ${sequence} comes twice`)
    isSeen[sequence] = 1
    seen.count++
    seen.sum = (seen.sum + crc) >>> 0
    if (sequence < (last.get(partition) ?? 0)) seen.disorder++
    else last.set(partition, sequence)
  }
  return seen
}

function send(producer: Producer, partition: number, values: Buffer[]) {
  const compression = a.compression === 'lz4' ? CompressionTypes.LZ4 : CompressionTypes.None
  const messages = values.map((value) => ({ partition, value }))
  return producer.send({ topic: a.topic, acks, compression, messages })
}

async function produce(kafka: KafkaClient, partitions: number): Promise<Outcome> {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  const make = maker()
  const latencies: number[] = []
  const perSend = Math.max(1, Math.floor(sendBytes / size))
  const sends = Math.ceil(records / perSend)
  const workers = Math.min(sendsAtOnce, partitions)
  const startedAt = performance.now()
  const work = async (worker: number) => {
    for (let number = 0; number < sends; number++) {
      const partition = number % partitions
      if (partition % workers !== worker) continue
      const values: Buffer[] = []
      const end = Math.min(records, (number + 1) * perSend)
      for (let sequence = number * perSend; sequence < end; sequence++) values.push(make.value(sequence))
      progress = `in send ${number} of ${sends}`
      const sentAt = performance.now()
      await send(producer, partition, values)
      latencies.push(performance.now() - sentAt)
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  const seconds = (performance.now() - startedAt) / 1000
  await producer.disconnect()
  return { seconds, latencies, checksum: make.sum, disorder: 0 }
}

/** A consumer of the topic in a group of its own, once it has joined. */
async function consumer(kafka: KafkaClient, onRecord: (partition: number, offset: number, value: Buffer) => void) {
  const consumer: Consumer = kafka.consumer({
    groupId: `bench-${randomBytes(6).toString('hex')}`,
    maxWaitTimeInMs: 500,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [a.topic], fromBeginning: true })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { offset, value } of batch.messages) {
        onRecord(batch.partition, Number(offset), value ?? fail('a record without a value'))
      }
    },
  })
  await joined
  return consumer
}

async function consume(kafka: KafkaClient): Promise<Outcome> {
  const seen = checker()
  let done = () => {}
  const all = new Promise<void>((resolve) => {
    done = resolve
  })
  const member = await consumer(kafka, (partition, _, value) => {
    seen.add(partition, value)
    progress = `after ${seen.count} of ${records} records`
    if (seen.count === records) done()
  })
  const startedAt = performance.now()
  await all
  const seconds = (performance.now() - startedAt) / 1000
  await member.disconnect()
  return { seconds, latencies: [], checksum: seen.sum, disorder: seen.disorder }
}

async function roundTrip(kafka: KafkaClient, ends: Map<number, number>): Promise<Outcome> {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  let wanted: Buffer | undefined
  let arrived = () => {}
  const member = await consumer(kafka, (partition, offset, value) => {
    if (offset < (ends.get(partition) ?? 0)) return
    if (!wanted?.equals(value)) fail('a record came back wrong')
    wanted = undefined
    arrived()
  })
  for (const [partition, offset] of ends) member.seek({ topic: a.topic, partition, offset: String(offset) })
  const make = maker()
  const latencies: number[] = []
  const startedAt = performance.now()
  for (let sequence = 0; sequence < records; sequence++) {
    progress = `at record ${sequence}`
    const value = make.value(sequence)
    wanted = value
    const back = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const sentAt = performance.now()
    await Promise.all([send(producer, sequence % ends.size, [value]), back])
    latencies.push(performance.now() - sentAt)
  }
  const seconds = (performance.now() - startedAt) / 1000
  await Promise.all([producer.disconnect(), member.disconnect()])
  return { seconds, latencies, checksum: make.sum, disorder: 0 }
}

async function main(): Promise<void> {
  if (!(size >= headBytes + tailBytes)) fail(`--size must be at least ${headBytes + tailBytes}`)
  if (Number(a.rate) > 0) fail('--rate: kafkajs has no batching, so this program does not pace')
  const alarm = setTimeout(() => fail(`timeout ${progress}`), Number(a.timeout) * 1000)
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder: { buffer: Buffer }) => lz4Compress(encoder.buffer),
    decompress: async (bytes: Buffer) => lz4Decompress(bytes, consumedBytesMax),
  })
  const kafka = new Kafka({ brokers: [a.bootstrap], clientId: 'bench-kafkajs', logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map<number, number>()
  for (const { partition, high } of await admin.fetchTopicOffsets(a.topic)) ends.set(partition, Number(high))
  await admin.disconnect()

  const cpuBefore = process.cpuUsage()
  const modes: Record<string, () => Promise<Outcome>> = {
    produce: () => produce(kafka, ends.size),
    consume: () => consume(kafka),
    'round-trip': () => roundTrip(kafka, ends),
  }
  const outcome = await (modes[a.mode] ?? fail(`no mode ${a.mode}`))()
  const cpu = process.cpuUsage(cpuBefore)
  clearTimeout(alarm)
  const latencies = outcome.latencies.sort((x, y) => x - y)
  const percentile = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))]
  const result = {
    client: 'kafkajs',
    version: (createRequire(import.meta.url)('kafkajs/package.json') as { version: string }).version,
    records,
    seconds: outcome.seconds,
    p50Ms: percentile(0.5) ?? null,
    p99Ms: percentile(0.99) ?? null,
    checksum: outcome.checksum,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    disorder: outcome.disorder,
    idempotent: false,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

await main().catch((error: unknown) => fail(error instanceof Error ? (error.stack ?? error.message) : String(error)))
