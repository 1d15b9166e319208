import { BufferPool } from '../src/base/buffer-pool.js'
import { PinnedMemory } from '../src/base/pinned-memory.js'
import { readRequest, readRequestHeader, writeRequest, writeResponse } from '../src/protocol/frame.js'
import { Fetch } from '../src/protocol/messages/fetch.js'
import { Metadata } from '../src/protocol/messages/metadata.js'
import { Produce } from '../src/protocol/messages/produce.js'
import { checkBatch } from '../src/protocol/records/batch-check.js'
import { crc32c } from '../src/protocol/records/crc32c.js'
import { encodeBatch } from '../src/protocol/records/record.js'
import { FrameReader } from '../src/server/frame-reader.js'
import { RequestBudget } from '../src/server/request-budget.js'
import { applyCommand, emptyState } from '../src/state/views/state.js'
import { noEvents } from '../src/state/views/view.js'
import { readingParts } from './reading.js'
import { show, table } from './tables.js'

// How fast the parts of the hot paths are alone: one core, nothing around them.

/** How often a part did its work in a second. */
export interface MicroRate {
  part: string
  perSecond: number
  /** Of the bytes that it is about. */
  megabytesPerSecond: number | null
}

const topicId = '00112233445566778899aabbccddeeff'
const batch = Buffer.alloc(16 * 1024, 1)

function list<T>(length: number, element: (i: number) => T): T[] {
  return Array.from({ length }, (_, i) => element(i))
}

const produceRequest = (partitions: number) => ({
  transactionalId: null,
  acks: -1,
  timeoutMs: 30000,
  topicData: [{ name: 'orders', topicId, partitionData: list(partitions, (index) => ({ index, records: [batch] })) }],
})

const fetchRequest = (partitions: number) => ({
  maxWaitMs: 500,
  minBytes: 1,
  topics: list(5, (i) => ({
    topic: `topic-${i}`,
    topicId,
    partitions: list(partitions / 5, (partition) => ({ partition, fetchOffset: 1e9, partitionMaxBytes: 1048576 })),
  })),
})

const fetchResponse = (partitions: number) => ({
  responses: list(5, (i) => ({
    topic: `topic-${i}`,
    topicId,
    partitions: list(partitions / 5, (partitionIndex) => ({
      partitionIndex,
      errorCode: 0,
      highWatermark: 1e9,
      lastStableOffset: 1e9,
      logStartOffset: 0,
      records: [batch],
    })),
  })),
})

const metadataResponse = {
  brokers: list(3, (nodeId) => ({ nodeId, host: `broker-${nodeId}.example.org`, port: 9092 })),
  clusterId: 'cluster',
  controllerId: 1,
  topics: list(20, (i) => ({
    errorCode: 0,
    name: `topic-${i}`,
    topicId,
    partitions: list(8, (partitionIndex) => ({
      errorCode: 0,
      partitionIndex,
      leaderId: 1,
      leaderEpoch: 0,
      replicaNodes: [1],
      isrNodes: [1],
    })),
  })),
}

const metadataRequest = { topics: list(20, (i) => ({ name: `topic-${i}` })) }

function reading(chunks: Buffer[], api: Parameters<typeof readRequest>[0]): () => unknown {
  const frame = Buffer.concat(chunks).subarray(4)
  return () => readRequest(api, readRequestHeader(frame), frame)
}

const client = 'benchmark'
const fetched = fetchResponse(50)
const codecs: Record<string, () => unknown> = {
  'read Produce v9, 1 partition': reading(writeRequest(Produce, 9, 1, client, produceRequest(1)), Produce),
  'read Produce v7, 8 partitions': reading(writeRequest(Produce, 7, 1, client, produceRequest(8)), Produce),
  'read Produce v13, 8 partitions': reading(writeRequest(Produce, 13, 1, client, produceRequest(8)), Produce),
  'read Fetch v11, 50 partitions': reading(writeRequest(Fetch, 11, 1, client, fetchRequest(50)), Fetch),
  'read Fetch v17, 50 partitions': reading(writeRequest(Fetch, 17, 1, client, fetchRequest(50)), Fetch),
  'read Metadata v12, 20 topics': reading(writeRequest(Metadata, 12, 1, client, metadataRequest), Metadata),
  'write Produce v9, 1 partition': () =>
    writeResponse(Produce, 9, 1, {
      responses: [{ name: 'orders', partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 1e9 }] }],
    }),
  'write Fetch v11, 50 partitions': () => writeResponse(Fetch, 11, 1, fetched),
  'write Fetch v17, 50 partitions': () => writeResponse(Fetch, 17, 1, fetched),
  'write Metadata v6, 160 partitions': () => writeResponse(Metadata, 6, 1, metadataResponse),
  'write Metadata v12, 160 partitions': () => writeResponse(Metadata, 12, 1, metadataResponse),
}

const produced = encodeBatch({
  records: list(64, (i) => ({ timestampMs: 1e12 + i, key: null, value: Buffer.alloc(1_000, i), headers: [] })),
})

/** What comes from a socket in pieces of 64 KiB, put together to frames of a megabyte. */
function framing(): () => unknown {
  const frame = Buffer.alloc(2 ** 20)
  frame.writeInt32BE(frame.length - 4)
  const memory = new PinnedMemory(new BufferPool(2 ** 24))
  const reader = new FrameReader(new RequestBudget(Number.MAX_SAFE_INTEGER), memory, () => 'pinned')
  return () => {
    for (let at = 0; at < frame.length; at += 65_536) {
      reader.push(frame.subarray(at), Math.min(65_536, frame.length - at))
      const whole = reader.next(2 ** 21)
      reader.keep()
      if (whole !== undefined) memory.unpin(whole)
    }
  }
}

const logRanges = 10_000

function stateOfOneTopic() {
  const state = emptyState()
  const place = { position: 0, timeMs: 0, writer: 1, body: { writer: 0, number: 0, position: 100 } }
  applyCommand(state, 'createTopic', { name: 'orders', id: topicId, partitionCount: 8, configs: [] }, place, noEvents)
  return state
}

/** Appends to 8 partitions as an entry tells of them; the state is begun anew before it is large. */
function applying(): () => unknown {
  let [state, entries] = [stateOfOneTopic(), 0]
  return () => {
    if (++entries > logRanges) [state, entries] = [stateOfOneTopic(), 1]
    const place = { position: entries, timeMs: entries, writer: 1, body: { writer: 0, number: entries, position: 100 } }
    const batches = list(8, (partition) => [0, partition, 65_000, 64, entries, -1, 0, -1, 0]).flat()
    return applyCommand(state, 'append', { topics: [topicId], batches }, place, noEvents)
  }
}

/** Finds where an offset is in a log of many ranges. */
function finding(): () => unknown {
  const own = stateOfOneTopic()
  for (let entry = 1; entry <= logRanges; entry++) {
    const place = { position: entry, timeMs: entry, writer: 1, body: { writer: 0, number: entry, position: 100 } }
    applyCommand(
      own,
      'append',
      { topics: [topicId], batches: [0, 0, 65_000, 64, entry, -1, 0, -1, 0] },
      place,
      noEvents,
    )
  }
  const log = own.partitions.get(topicId, 0)
  let offset = 0
  return () => {
    offset = (offset + 7_919) % (logRanges * 64)
    return log?.ranges.find(offset)
  }
}

/** Bytes of one operation, where it is bytes that matter. */
const others: Record<string, [operation: () => unknown, bytes: number | null]> = {
  'CRC-32C of 64 KB': [() => crc32c(produced), produced.length],
  'check a batch of 64 KB to be appended': [() => checkBatch(produced, { maxBytes: 2 ** 20 }), produced.length],
  'cut frames of 1 MiB out of 64 KiB chunks': [framing(), 2 ** 20],
  'apply an entry with 8 appends': [applying(), null],
  [`find an offset among ${logRanges} ranges`]: [finding(), null],
  ...readingParts,
}

/** Runs for `ms` milliseconds and returns the operations per second. */
function rate(operation: () => unknown, ms: number): number {
  const start = performance.now()
  let operations = 0
  let elapsed = 0
  while (elapsed < ms) {
    for (let i = 0; i < 50; i++) operation()
    operations += 50
    elapsed = performance.now() - start
  }
  return (operations / elapsed) * 1000
}

/** Measures every part, the best of three short runs each; some 15 s. */
export function microRates(): MicroRate[] {
  const all: [string, () => unknown, number | null][] = [
    ...Object.entries(codecs).map(([part, operation]): [string, () => unknown, null] => [part, operation, null]),
    ...Object.entries(others).map(([part, [operation, bytes]]): [string, () => unknown, number | null] => [
      part,
      operation,
      bytes,
    ]),
  ]
  return all.map(([part, operation, bytes]) => {
    rate(operation, 200)
    const perSecond = Math.max(...list(3, () => rate(operation, 200)))
    return { part, perSecond, megabytesPerSecond: bytes === null ? null : (perSecond * bytes) / 1e6 }
  })
}

/** A section of the report; Markdown. */
export function microSection(rates: readonly MicroRate[]): string {
  if (rates.length === 0) return ''
  const rows = rates.map(({ part, perSecond, megabytesPerSecond }) => [
    part,
    show(perSecond),
    megabytesPerSecond === null ? '–' : show(megabytesPerSecond),
  ])
  return `## micro\n\nParts of the gateway alone, on one core; the best of three.\n\n${table(['part', 'a second', 'MB/s'], rows)}\n`
}
