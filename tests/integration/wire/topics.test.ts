import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/error-codes.js'
import { ApiVersions } from '../../../src/protocol/messages/api-versions.js'
import { CreatePartitions } from '../../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { DeleteRecords } from '../../../src/protocol/messages/delete-records.js'
import { DeleteTopics } from '../../../src/protocol/messages/delete-topics.js'
import { DescribeCluster } from '../../../src/protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../../../src/protocol/messages/describe-configs.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { OffsetForLeaderEpoch } from '../../../src/protocol/messages/offset-for-leader-epoch.js'
import { ZERO_UUID } from '../../../src/protocol/schema.js'
import { handlers } from '../../../src/server/handlers/table.js'
import { batchOf, createTopic, fetch, produce } from './requests.js'
import { startServer } from './server-under-test.js'
import { connect } from './wire-client.js'

test('ApiVersions tells exactly what has a handler, in every version', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  for (let version = 0; version <= 4; version++) {
    const { errorCode, apiKeys } = await client.call(ApiVersions, version, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1.0',
    })
    assert.equal(errorCode, ErrorCode.NONE)
    assert.deepEqual(
      apiKeys.map(({ apiKey }) => apiKey),
      handlers.map(({ api }) => api.key).sort((a, b) => a - b),
    )
    // Produce is told from 0 on, for librdkafka's sake.
    assert.deepEqual(apiKeys[0], { apiKey: 0, minVersion: 0, maxVersion: 13 })
    assert.deepEqual(apiKeys[1], { apiKey: 1, minVersion: 4, maxVersion: 18 })
  }
  const strange = await client.call(ApiVersions, 3, { clientSoftwareName: '-', clientSoftwareVersion: '' })
  assert.equal(strange.errorCode, ErrorCode.INVALID_REQUEST)
})

test('an unknown version of ApiVersions is answered in version 0 with the versions there are', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  for (const version of [5, 100, 32767]) {
    const request = Buffer.alloc(15)
    request.writeInt32BE(11, 0)
    request.writeInt16BE(18, 4)
    request.writeInt16BE(version, 6)
    request.writeInt32BE(77, 8)
    request.writeInt16BE(-1, 12)
    client.send(request)
    const { correlationId, response } = await client.answer(ApiVersions, 0)
    assert.equal(correlationId, 77)
    assert.equal(response.errorCode, ErrorCode.UNSUPPORTED_VERSION)
    assert.deepEqual(response.apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
  }
  assert.equal((await client.call(ApiVersions, 0, {})).errorCode, ErrorCode.NONE)
})

test('metadata shows one broker that leads everything, and creates topics where both sides allow it', async (context) => {
  const { port, cluster } = await startServer(context)
  const client = await connect(context, port)
  for (let version = 0; version <= 13; version++) {
    const name = `topic-${version}`
    const response = await client.call(Metadata, version, { topics: [{ name }] })
    assert.deepEqual(response.brokers, [{ nodeId: 1, host: '127.0.0.1', port, rack: null }])
    if (version >= 1) assert.equal(response.controllerId, 1)
    if (version >= 2) assert.equal(response.clusterId, cluster.clusterId)
    const [topic] = response.topics
    assert.equal(topic?.errorCode, ErrorCode.NONE, `version ${version}`)
    assert.equal(topic?.name, name)
    assert.deepEqual(
      topic?.partitions.map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => [
        partitionIndex,
        leaderId,
        replicaNodes,
        isrNodes,
      ]),
      [0, 1, 2].map((index) => [index, 1, [1], [1]]),
    )
  }
  const { topics } = await client.call(Metadata, 12, { topics: [{ name: 'no' }], allowAutoTopicCreation: false })
  assert.equal(topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const all = await client.call(Metadata, 1, { topics: null })
  assert.equal(all.topics.length, 14)
  assert.equal((await client.call(Metadata, 0, { topics: [] })).topics.length, 14)
  assert.equal((await client.call(Metadata, 1, { topics: [] })).topics.length, 0)
})

test('metadata finds topics by id and refuses bad names', async (context) => {
  const { port } = await startServer(context, { config: { autoCreateTopics: false } })
  const client = await connect(context, port)
  const { topicId } = await createTopic(client, 'named')
  const byId = await client.call(Metadata, 12, {
    topics: [
      { topicId, name: null },
      { topicId: 'a'.repeat(32), name: null },
      { name: 'absent' },
      { name: 'bad name' },
      { name: 'named' },
    ],
  })
  assert.deepEqual(
    byId.topics.map(({ errorCode, name }) => [errorCode, name]),
    [
      [ErrorCode.NONE, 'named'],
      [ErrorCode.UNKNOWN_TOPIC_ID, null],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'absent'],
      [ErrorCode.INVALID_TOPIC_EXCEPTION, 'bad name'],
    ],
  )
})

test('authorized operations are told to those who ask', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'topic')
  const asked = await client.call(Metadata, 9, {
    topics: null,
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  })
  assert.equal(asked.topics[0]?.topicAuthorizedOperations, 3576)
  assert.equal(asked.clusterAuthorizedOperations, 8096)
  const not = await client.call(Metadata, 9, { topics: null })
  assert.equal(not.topics[0]?.topicAuthorizedOperations, -2147483648)
})

test('topics are created as asked, and refused as Kafka refuses them', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const plain = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  const { topics } = await client.call(CreateTopics, 7, {
    topics: [
      { ...plain, name: 'good', numPartitions: 4, replicationFactor: 3 },
      { ...plain, name: 'defaults', numPartitions: -1, replicationFactor: -1 },
      { ...plain, name: 'twice' },
      { ...plain, name: 'twice' },
      { ...plain, name: 'a/b' },
      { ...plain, name: 'none', numPartitions: 0 },
      { ...plain, name: 'huge', numPartitions: 10_001 },
      { ...plain, name: 'replicas', replicationFactor: 0 },
      { ...plain, name: 'config', configs: [{ name: 'retention.ms', value: 'soon' }] },
      {
        ...plain,
        name: 'lags',
        configs: [
          { name: 'min.compaction.lag.ms', value: '2' },
          { name: 'max.compaction.lag.ms', value: '1' },
        ],
      },
      { ...plain, name: 'strange', configs: [{ name: 'colour', value: 'blue' }] },
      { ...plain, name: 'null', configs: [{ name: 'retention.ms', value: null }] },
      {
        ...plain,
        name: 'assigned',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [
          { partitionIndex: 1, brokerIds: [2] },
          { partitionIndex: 0, brokerIds: [1] },
        ],
      },
      {
        ...plain,
        name: 'gap',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 1, brokerIds: [1] }],
      },
      { ...plain, name: 'both', assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
    ],
  })
  const result = Object.fromEntries(topics.map((topic) => [topic.name, [topic.errorCode, topic.numPartitions]]))
  assert.deepEqual(result, {
    good: [ErrorCode.NONE, 4],
    defaults: [ErrorCode.NONE, 3],
    twice: [ErrorCode.INVALID_REQUEST, -1],
    'a/b': [ErrorCode.INVALID_TOPIC_EXCEPTION, -1],
    none: [ErrorCode.INVALID_PARTITIONS, -1],
    huge: [ErrorCode.INVALID_PARTITIONS, -1],
    replicas: [ErrorCode.INVALID_REPLICATION_FACTOR, -1],
    config: [ErrorCode.INVALID_CONFIG, -1],
    lags: [ErrorCode.INVALID_CONFIG, -1],
    strange: [ErrorCode.INVALID_CONFIG, -1],
    null: [ErrorCode.INVALID_CONFIG, -1],
    assigned: [ErrorCode.NONE, 2],
    gap: [ErrorCode.INVALID_REPLICA_ASSIGNMENT, -1],
    both: [ErrorCode.INVALID_REQUEST, -1],
  })
  const message = topics.find(({ name }) => name === 'config')?.errorMessage
  assert.equal(message, 'Invalid value soon for configuration retention.ms: Not a number of type LONG')
  assert.equal(topics[0]?.replicationFactor, 1)
  assert.notEqual(topics[0]?.topicId, ZERO_UUID)
  assert.equal((await createTopic(client, 'good')).errorCode, ErrorCode.TOPIC_ALREADY_EXISTS)
})

test('validateOnly creates nothing', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const topics = [{ name: 'maybe', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }]
  for (let version = 2; version <= 7; version++) {
    const response = await client.call(CreateTopics, version, { topics, validateOnly: true })
    assert.equal(response.topics[0]?.errorCode, ErrorCode.NONE)
    if (version >= 7) assert.equal(response.topics[0]?.topicId, ZERO_UUID)
  }
  assert.equal((await client.call(Metadata, 9, { topics: null })).topics.length, 0)
})

test('topics are deleted by name and by id', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  for (const name of ['a', 'b', 'c']) await createTopic(client, name)
  const { topicId } = await createTopic(client, 'd')
  const old = await client.call(DeleteTopics, 1, { topicNames: ['a', 'absent'], timeoutMs: 1000 })
  assert.deepEqual(
    old.responses.map(({ name, errorCode }) => [name, errorCode]),
    [
      ['a', ErrorCode.NONE],
      ['absent', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ],
  )
  const now = await client.call(DeleteTopics, 6, {
    topics: [
      { name: 'b', topicId: ZERO_UUID },
      { name: null, topicId },
      { name: null, topicId: 'e'.repeat(32) },
      { name: null, topicId: ZERO_UUID },
      { name: 'c', topicId },
    ],
    timeoutMs: 1000,
  })
  assert.deepEqual(
    now.responses.map(({ name, errorCode }) => [name, errorCode]),
    [
      ['b', ErrorCode.NONE],
      ['d', ErrorCode.NONE],
      [null, ErrorCode.UNKNOWN_TOPIC_ID],
      [null, ErrorCode.INVALID_REQUEST],
      ['c', ErrorCode.INVALID_REQUEST],
    ],
  )
  const twice = await client.call(DeleteTopics, 1, { topicNames: ['c', 'c'], timeoutMs: 1000 })
  assert.deepEqual(
    twice.responses.map(({ errorCode }) => errorCode),
    [ErrorCode.INVALID_REQUEST],
  )
  const left = await client.call(Metadata, 9, { topics: null })
  assert.deepEqual(
    left.topics.map(({ name }) => name),
    ['c'],
  )
})

test('a waiting fetch is answered when its topic is deleted', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  const other = await connect(context, port)
  await createTopic(client, 'short-lived')
  const fetching = fetch(client, 'short-lived', 0, { maxWaitMs: 20_000 })
  await other.call(DeleteTopics, 5, { topicNames: ['short-lived'], timeoutMs: 1000 })
  assert.equal((await fetching).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('partitions can be added, never taken away', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  for (const name of ['grows', 'same', 'assigned']) await createTopic(client, name, 2)
  const call = (topics: { name: string; count: number; assignments?: { brokerIds: number[] }[] }[], only = false) =>
    client.call(CreatePartitions, 3, {
      topics: topics.map((topic) => ({ assignments: null, ...topic })),
      timeoutMs: 1000,
      validateOnly: only,
    })
  const { results } = await call([
    { name: 'grows', count: 5 },
    { name: 'same', count: 2 },
    { name: 'absent', count: 2 },
    { name: 'assigned', count: 4, assignments: [{ brokerIds: [1] }] },
  ])
  assert.deepEqual(
    results.map(({ name, errorCode }) => [name, errorCode]),
    [
      ['grows', ErrorCode.NONE],
      ['same', ErrorCode.INVALID_PARTITIONS],
      ['absent', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['assigned', ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ],
  )
  assert.equal((await call([{ name: 'grows', count: 3 }])).results[0]?.errorCode, ErrorCode.INVALID_PARTITIONS)
  assert.equal((await call([{ name: 'same', count: 9 }], true)).results[0]?.errorCode, ErrorCode.NONE)
  const { topics } = await client.call(Metadata, 9, { topics: [{ name: 'grows' }, { name: 'same' }] })
  assert.deepEqual(
    topics.map(({ partitions }) => partitions.length),
    [5, 2],
  )
  assert.equal((await produce(client, 'grows', batchOf(['x']), { partition: 4 })).errorCode, ErrorCode.NONE)
})

test('configurations are described with their sources', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'described', 1, [{ name: 'retention.ms', value: '1000' }])
  const { results } = await client.call(DescribeConfigs, 4, {
    resources: [
      { resourceType: 2, resourceName: 'described', configurationKeys: ['retention.ms', 'max.message.bytes'] },
      { resourceType: 2, resourceName: 'absent', configurationKeys: null },
      { resourceType: 4, resourceName: '1', configurationKeys: ['num.partitions'] },
      { resourceType: 4, resourceName: '2', configurationKeys: null },
      { resourceType: 99, resourceName: 'x', configurationKeys: null },
    ],
    includeSynonyms: true,
    includeDocumentation: true,
  })
  assert.deepEqual(
    results.map(({ errorCode }) => errorCode),
    [
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.NONE,
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
    ],
  )
  const [topic, , broker] = results
  const byName = new Map(topic?.configs.map((config) => [config.name, config]))
  const retention = byName.get('retention.ms')
  assert.equal(byName.size, 2)
  assert.equal(retention?.value, '1000')
  assert.equal(retention?.configSource, 1)
  assert.equal(retention?.configType, 5)
  assert.deepEqual(retention?.synonyms, [
    { name: 'retention.ms', value: '1000', source: 1 },
    { name: 'log.retention.ms', value: '604800000', source: 5 },
  ])
  assert.match(retention?.documentation ?? '', /older/)
  assert.equal(byName.get('max.message.bytes')?.configSource, 5)
  assert.deepEqual(
    broker?.configs.map(({ name, value, readOnly, configSource }) => [name, value, readOnly, configSource]),
    [['num.partitions', '3', true, 4]],
  )
  const bare = await client.call(DescribeConfigs, 1, {
    resources: [{ resourceType: 2, resourceName: 'described', configurationKeys: null }],
  })
  assert.equal(bare.results[0]?.configs.length, 33)
  assert.deepEqual(bare.results[0]?.configs[0]?.synonyms, [])
})

test('records are deleted up to an offset', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'trimmed')
  await createTopic(client, 'compacted', 1, [{ name: 'cleanup.policy', value: 'compact' }])
  for (const value of ['a', 'b', 'c']) await produce(client, 'trimmed', batchOf([value]))
  const trim = async (offset: number, name = 'trimmed') => {
    const { topics } = await client.call(DeleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1000,
    })
    const answer = topics[0]?.partitions[0]
    return [answer?.errorCode, answer?.lowWatermark]
  }
  assert.deepEqual(await trim(1), [ErrorCode.NONE, 1])
  assert.equal((await fetch(client, 'trimmed', 0)).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
  assert.deepEqual((await fetch(client, 'trimmed', 1)).values, ['b', 'c'])
  assert.deepEqual(await trim(4), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
  assert.deepEqual(await trim(-2), [ErrorCode.OFFSET_OUT_OF_RANGE, -1])
  assert.deepEqual(await trim(-1), [ErrorCode.NONE, 3])
  assert.deepEqual(await trim(0, 'absent'), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1])
  assert.deepEqual(await trim(0, 'compacted'), [ErrorCode.POLICY_VIOLATION, -1])
})

test('the only leader epoch ends at the high watermark', async (context) => {
  const { port } = await startServer(context)
  const client = await connect(context, port)
  await createTopic(client, 'epochs')
  await produce(client, 'epochs', batchOf(['a', 'b']))
  const ask = async (leaderEpoch: number, currentLeaderEpoch = 0, topic = 'epochs') => {
    const { topics } = await client.call(OffsetForLeaderEpoch, 2, {
      topics: [{ topic, partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }],
    })
    const answer = topics[0]?.partitions[0]
    return [answer?.errorCode, answer?.leaderEpoch, answer?.endOffset]
  }
  assert.deepEqual(await ask(0), [ErrorCode.NONE, 0, 2])
  assert.deepEqual(await ask(3), [ErrorCode.NONE, -1, -1])
  assert.deepEqual(await ask(0, 1), [ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1])
  assert.deepEqual(await ask(0, 0, 'absent'), [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1])
})

test('the cluster is described to those who ask a broker', async (context) => {
  const { port, cluster } = await startServer(context)
  const client = await connect(context, port)
  for (let version = 0; version <= 2; version++) {
    const response = await client.call(DescribeCluster, version, { includeClusterAuthorizedOperations: true })
    assert.equal(response.clusterId, cluster.clusterId)
    assert.deepEqual(response.brokers, [{ brokerId: 1, host: '127.0.0.1', port, rack: null, isFenced: false }])
    assert.equal(response.clusterAuthorizedOperations, 8096)
  }
  const controllers = await client.call(DescribeCluster, 1, {
    includeClusterAuthorizedOperations: false,
    endpointType: 2,
  })
  assert.equal(controllers.errorCode, ErrorCode.MISMATCHED_ENDPOINT_TYPE)
})
