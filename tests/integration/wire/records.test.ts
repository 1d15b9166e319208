import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorCode } from '../../../src/protocol/error-codes.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { InitProducerId } from '../../../src/protocol/messages/init-producer-id.js'
import { ListOffsets } from '../../../src/protocol/messages/list-offsets.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { BatchAttribute, BatchPosition, batchesIn, compressions } from '../../../src/protocol/records/batch.js'
import { crc32c } from '../../../src/protocol/records/crc32c.js'
import { decodeRecords, encodeBatch } from '../../../src/protocol/records/record.js'
import { MemoryBucket } from '../../../src/state/store/memory.js'
import { batchOf, createTopic, fetch, fetchRequest, produce, produceRequest, valuesIn } from './requests.js'
import { startServer } from './server-under-test.js'
import { connect } from './wire-client.js'

test('what was produced is fetched, in every version of both APIs', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const topic = await createTopic(client, 'versions')
  const expected: string[] = []
  for (let version = 3; version <= 13; version++) {
    const value = `produced with ${version}`
    const request = produceRequest('versions', batchOf([value]), {})
    const [topicData] = request.topicData
    const { responses } = await client.call(Produce, version, {
      ...request,
      topicData: topicData ? [{ ...topicData, topicId: topic.topicId }] : [],
    })
    const [answer] = responses[0]?.partitionResponses ?? []
    assert.equal(answer?.errorCode, ErrorCode.NONE)
    assert.equal(answer?.baseOffset, expected.length)
    if (version >= 13) assert.equal(responses[0]?.topicId, topic.topicId)
    expected.push(value)
  }
  for (let version = 4; version <= 18; version++) {
    const request = fetchRequest('versions', 0)
    const response = await client.call(Fetch, version, {
      ...request,
      topics: request.topics.map((wanted) => ({ ...wanted, topicId: topic.topicId })),
    })
    assert.equal(response.sessionId, 0)
    const [partition] = response.responses[0]?.partitions ?? []
    assert.deepEqual(valuesIn(partition?.records ?? null), expected, `version ${version}`)
    assert.equal(partition?.highWatermark, expected.length)
    assert.equal(partition?.lastStableOffset, expected.length)
    assert.equal(partition?.preferredReadReplica, -1)
    assert.equal(partition?.abortedTransactions, null)
  }
})

test('large requests are kept and read as they came, though their memory is used again', async (context) => {
  const { port } = await startServer(context)
  const [client, reader] = await Promise.all([connect(context, port), connect(context, port)])
  await createTopic(client, 'large')
  const letters = (offset: number) => String.fromCharCode(97 + (offset % 26)).repeat(300_000 + offset)
  const offsets = Array.from({ length: 60 }, (_, offset) => offset)
  const produced = offsets.map((offset) =>
    client.call(Produce, 9, produceRequest('large', batchOf([letters(offset)]), {})),
  )
  // The first ones are no longer in the cache of 8 MiB when the last ones come.
  for (const offset of [...offsets, ...offsets]) {
    await produced[offset]
    const { responses } = await reader.call(Fetch, 12, fetchRequest('large', offset))
    const [value] = valuesIn(responses[0]?.partitions[0]?.records ?? null)
    assert.ok(value === letters(offset), `the record at ${offset} is another one`)
  }
})

test('bad batches are refused one by one and nothing of them is stored', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'strict')
  const changed = (change: (batch: Buffer) => void) => {
    const batch = batchOf(['value'])
    change(batch)
    return batch
  }
  const cases: [name: string, records: Buffer | null, code: number, version?: number][] = [
    ['a wrong CRC', changed((batch) => batch.writeUInt32BE(1, BatchPosition.crc)), ErrorCode.CORRUPT_MESSAGE],
    ['a changed record', changed((batch) => batch.writeUInt8(77, batch.length - 2)), ErrorCode.CORRUPT_MESSAGE],
    ['magic 1', changed((batch) => batch.writeInt8(1, BatchPosition.magic)), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
    ['magic 0', changed((batch) => batch.writeInt8(0, BatchPosition.magic)), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT],
    ['a cut-off batch', batchOf(['value']).subarray(0, 50), ErrorCode.CORRUPT_MESSAGE],
    ['two batches', Buffer.concat([batchOf(['a']), batchOf(['b'])]), ErrorCode.INVALID_RECORD],
    ['no batch', null, ErrorCode.INVALID_RECORD],
    ['too large a batch', batchOf(['x'.repeat(1_100_000)]), ErrorCode.MESSAGE_TOO_LARGE],
    ['a timestamp in the far future', batchOf(['value'], Date.now() + 7_200_000), ErrorCode.INVALID_TIMESTAMP],
  ]
  for (const [name, records, code, version] of cases) {
    const answer = await produce(client, 'strict', records, version === undefined ? {} : { version })
    assert.equal(answer.errorCode, code, name)
    assert.equal(answer.baseOffset, -1, name)
    assert.notEqual(answer.errorMessage, null, name)
  }
  const { values, highWatermark } = await fetch(client, 'strict', 0)
  assert.deepEqual(values, [])
  assert.equal(highWatermark, 0)
})

test("a topic's max.message.bytes is obeyed", async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'small', 1, [{ name: 'max.message.bytes', value: '200' }])
  assert.equal((await produce(client, 'small', batchOf(['x'.repeat(300)]))).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  assert.equal((await produce(client, 'small', batchOf(['x']))).errorCode, ErrorCode.NONE)
})

test('LogAppendTime replaces the timestamps and is told to the producer', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'stamped', 1, [{ name: 'message.timestamp.type', value: 'LogAppendTime' }])
  const before = Date.now()
  const answer = await produce(client, 'stamped', batchOf(['old'], 1_000))
  assert.ok(answer.logAppendTimeMs >= before)
  const { records } = await fetch(client, 'stamped', 0)
  const [batch] = [...batchesIn(records ?? Buffer.alloc(0))]
  assert.ok(batch)
  assert.ok((batch.readInt16BE(BatchPosition.attributes) & BatchAttribute.logAppendTime) !== 0)
  assert.equal(decodeRecords(batch)[0]?.timestampMs, answer.logAppendTimeMs)
})

test('a request with strange acks or a transactional id is refused whole', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'plain')
  const batch = batchOf(['value'])
  assert.equal((await produce(client, 'plain', batch, { acks: 2 })).errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
  assert.equal((await produce(client, 'plain', batch, { acks: -2 })).errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
  assert.equal(
    (await produce(client, 'plain', batch, { transactionalId: 'tx' })).errorCode,
    ErrorCode.INVALID_TXN_STATE,
  )
  assert.equal((await fetch(client, 'plain', 0)).highWatermark, 0)
})

test('acks 0 is never answered, and an error closes the connection', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'quiet')
  client.start(Produce, 9, produceRequest('quiet', batchOf(['a']), { acks: 0 }))
  client.start(Produce, 9, produceRequest('quiet', batchOf(['b']), { acks: 0 }))
  const { values } = await fetch(client, 'quiet', 0, { maxWaitMs: 2_000, minBytes: 130 })
  assert.deepEqual(values, ['a', 'b'])
  client.start(Produce, 9, produceRequest('nowhere', batchOf(['c']), { acks: 0 }))
  await client.closed()
})

test('unknown topics, partitions and topic ids are told apart', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'known')
  const batch = batchOf(['value'])
  assert.equal((await produce(client, 'unknown', batch)).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal(
    (await produce(client, 'known', batch, { partition: 1 })).errorCode,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  )
  assert.equal(
    (await produce(client, 'known', batch, { partition: -1 })).errorCode,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  )
  assert.equal((await fetch(client, 'unknown', 0)).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal((await fetch(client, 'known', 0, { partition: 7 })).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const topicId = 'f'.repeat(32)
  const produced = await client.call(Produce, 13, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ topicId, partitionData: [{ index: 0, records: [batch] }] }],
  })
  assert.equal(produced.responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
  const fetched = await client.call(Fetch, 13, {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
  })
  assert.equal(fetched.responses[0]?.partitions[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
})

test('offsets outside the log, and epochs of the future, are refused', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'bounds')
  await produce(client, 'bounds', batchOf(['value']))
  assert.equal((await fetch(client, 'bounds', 1)).errorCode, ErrorCode.NONE)
  assert.equal((await fetch(client, 'bounds', 2)).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  assert.equal((await fetch(client, 'bounds', -5)).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  assert.equal((await fetch(client, 'bounds', 0, { currentLeaderEpoch: 0 })).errorCode, ErrorCode.NONE)
  assert.equal((await fetch(client, 'bounds', 0, { currentLeaderEpoch: 1 })).errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH)
})

test('a record produced through one instance is not denied by another', async (context) => {
  const bucket = new MemoryBucket()
  const one = await connect(context, (await startServer(context, { bucket })).port)
  const other = await connect(context, (await startServer(context, { bucket })).port)
  for (let i = 0; i < 20; i++) {
    const topic = `topic-${i}`
    await createTopic(one, topic)
    assert.equal((await produce(other, topic, batchOf(['value']))).errorCode, ErrorCode.NONE)
    assert.equal((await fetch(one, topic, 1)).errorCode, ErrorCode.NONE)
    const { topics } = await one.call(ListOffsets, 7, {
      replicaId: -1,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    assert.equal(topics[0]?.partitions[0]?.offset, 1)
  }
})

test('a fetch waits for minBytes and is woken by the append', async (context) => {
  const { port } = await startServer(context)
  const consumer = await connect(context, port)
  const producer = await connect(context, port)
  await createTopic(producer, 'awaited')
  const startedAt = performance.now()
  const waiting = fetch(consumer, 'awaited', 0, { maxWaitMs: 10_000 })
  await sleep(50)
  await produce(producer, 'awaited', batchOf(['value']))
  assert.deepEqual((await waiting).values, ['value'])
  assert.ok(performance.now() - startedAt < 5_000)

  const emptyAt = performance.now()
  assert.deepEqual((await fetch(consumer, 'awaited', 1, { maxWaitMs: 120 })).values, [])
  assert.ok(performance.now() - emptyAt >= 110)

  const patient = fetch(consumer, 'awaited', 1, { maxWaitMs: 10_000, minBytes: 150 })
  await produce(producer, 'awaited', batchOf(['one']))
  await produce(producer, 'awaited', batchOf(['two']))
  await produce(producer, 'awaited', batchOf(['three']))
  assert.ok((await patient).values.length >= 2)
})

test('a produce behind a waiting fetch of the same connection goes on, and answers keep their order', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'shared')
  const startedAt = performance.now()
  const fetching = client.start(Fetch, 12, fetchRequest('shared', 0, { maxWaitMs: 20_000 }))
  const producing = client.start(Produce, 9, produceRequest('shared', batchOf(['value'])))
  const first = await client.answer(Fetch, 12)
  const second = await client.answer(Produce, 9)
  assert.equal(first.correlationId, fetching)
  assert.deepEqual(valuesIn(first.response.responses[0]?.partitions[0]?.records ?? null), ['value'])
  assert.equal(second.correlationId, producing)
  assert.ok(performance.now() - startedAt < 10_000)
})

test('the first batch is given whatever its size, the others within the limits', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'large', 2)
  for (const partition of [0, 1])
    for (let i = 0; i < 3; i++) await produce(client, 'large', batchOf(['x'.repeat(1000)]), { partition })
  assert.equal((await fetch(client, 'large', 0, { partitionMaxBytes: 1 })).values.length, 1)
  assert.equal((await fetch(client, 'large', 0, { maxBytes: 1 })).values.length, 1)
  assert.equal((await fetch(client, 'large', 0, { partitionMaxBytes: 2_500 })).values.length, 2)
  const { responses } = await client.call(Fetch, 12, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [
      {
        topic: 'large',
        partitions: [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 10 })),
      },
    ],
  })
  const counts = responses[0]?.partitions.map(({ records }) => valuesIn(records).length)
  assert.deepEqual(counts, [1, 0])
})

test('a fetch session that is not kept is refused, and opening one gives none', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'sessions')
  const opening = await client.call(Fetch, 12, { ...fetchRequest('sessions', 0), sessionId: 0, sessionEpoch: 0 })
  assert.equal(opening.errorCode, ErrorCode.NONE)
  assert.equal(opening.sessionId, 0)
  assert.equal(opening.responses.length, 1)
  const going = await client.call(Fetch, 12, { ...fetchRequest('sessions', 0), sessionId: 5, sessionEpoch: 1 })
  assert.equal(going.errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
  assert.deepEqual(going.responses, [])
})

test('offsets are listed by place and by time', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'times')
  const now = Date.now()
  for (const [value, timestampMs] of [
    ['a', now - 3000],
    ['b', now - 1000],
    ['c', now - 2000],
  ] as const)
    await produce(client, 'times', batchOf([value], timestampMs))
  const list = async (timestamp: number, version = 11) => {
    const { topics } = await client.call(ListOffsets, version, {
      replicaId: -1,
      topics: [{ name: 'times', partitions: [{ partitionIndex: 0, timestamp }] }],
    })
    const answer = topics[0]?.partitions[0]
    assert.ok(answer)
    return [answer.errorCode, answer.offset, answer.timestamp]
  }
  assert.deepEqual(await list(-1), [0, 3, -1])
  assert.deepEqual(await list(-1, 1), [0, 3, -1])
  assert.deepEqual(await list(-2), [0, 0, -1])
  assert.deepEqual(await list(-3), [0, 1, now - 1000])
  assert.deepEqual(await list(-4), [0, 0, -1])
  assert.deepEqual(await list(-5), [0, -1, -1])
  assert.deepEqual(await list(0), [0, 0, now - 3000])
  assert.deepEqual(await list(now - 2500), [0, 1, now - 1000])
  assert.deepEqual(await list(now + 5000), [0, -1, -1])
  assert.deepEqual(await list(-3, 6), [ErrorCode.UNSUPPORTED_VERSION, -1, -1])
  assert.deepEqual(await list(-7), [ErrorCode.UNSUPPORTED_VERSION, -1, -1])
})

test('a transactional producer is refused for good, an idempotent one gets its id', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const refused = await client.call(InitProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 60_000 })
  assert.equal(refused.errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
  const given = await client.call(InitProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 })
  assert.equal(given.errorCode, ErrorCode.NONE)
  assert.ok(given.producerId >= 0)
  assert.equal(given.producerEpoch, 0)
  await createTopic(client, 'once')
  const batch = encodeBatch({
    records: [{ timestampMs: Date.now(), key: null, value: Buffer.from('x'), headers: [] }],
    producerId: given.producerId,
    producerEpoch: 0,
    baseSequence: 0,
  })
  assert.equal((await produce(client, 'once', batch)).baseOffset, 0)
  assert.equal((await produce(client, 'once', batch)).baseOffset, 0)
  assert.equal((await fetch(client, 'once', 0)).highWatermark, 1)
})

test('a compacted topic takes no record without a key, and says which ones those are', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  for (const type of ['CreateTime', 'LogAppendTime'])
    await createTopic(client, type, 1, [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'message.timestamp.type', value: type },
    ])
  await createTopic(client, 'plain')
  for (const compression of compressions) {
    const batch = (keys: readonly (string | null)[]) =>
      encodeBatch({
        records: keys.map((key) => ({
          timestampMs: Date.now(),
          key: key === null ? null : Buffer.from(key),
          value: Buffer.from('value'),
          headers: [],
        })),
        compression,
      })
    for (const topic of ['CreateTime', 'LogAppendTime']) {
      const refused = await produce(client, topic, batch(['a', null, '', null]))
      const message = `Compacted topic cannot accept message without key in topic partition ${topic}-0`
      assert.equal(refused.errorCode, ErrorCode.INVALID_RECORD)
      assert.equal(refused.baseOffset, -1)
      assert.equal(refused.logAppendTimeMs, -1)
      assert.equal(refused.logStartOffset, 0)
      assert.deepEqual(
        refused.recordErrors,
        [1, 3].map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: message })),
      )
      assert.equal(
        refused.errorMessage,
        `One or more records have been rejected due to 2 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=1, message='${message}'), RecordError(batchIndex=3, message='${message}')]`,
      )
      const accepted = await produce(client, topic, batch(['a', '']))
      assert.deepEqual([accepted.errorCode, accepted.recordErrors], [ErrorCode.NONE, []])
    }
    assert.equal((await produce(client, 'plain', batch([null]))).errorCode, ErrorCode.NONE)
  }
  const nonsense = batchOf(['value'])
  nonsense.writeInt16BE(4, BatchPosition.attributes)
  nonsense.writeUInt32BE(crc32c(nonsense.subarray(BatchPosition.attributes)), BatchPosition.crc)
  assert.equal((await produce(client, 'CreateTime', nonsense)).errorCode, ErrorCode.INVALID_RECORD)
  assert.equal((await fetch(client, 'CreateTime', 0)).highWatermark, 2 * compressions.length)
})
