/**
 * How fast the hot messages are read and written: operations per second, one core, nothing but the codec.
 * Run: node dist/bench/codec.js
 */
import { readRequest, readRequestHeader, writeRequest, writeResponse } from '../src/protocol/frame.js'
import { Fetch } from '../src/protocol/messages/fetch.js'
import { Metadata } from '../src/protocol/messages/metadata.js'
import { Produce } from '../src/protocol/messages/produce.js'

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
const cases: Record<string, () => unknown> = {
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

for (const [name, operation] of Object.entries(cases)) {
  rate(operation, 200)
  const best = Math.max(...list(3, () => rate(operation, 200)))
  process.stdout.write(`${name.padEnd(36)} ${Math.round(best).toLocaleString('en').padStart(11)} op/s\n`)
}
