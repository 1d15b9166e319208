import { CreateTopics } from '../../protocol/messages/create-topics.js'
import { DeleteTopics } from '../../protocol/messages/delete-topics.js'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.js'
import { ZERO_UUID } from '../../protocol/schema.js'
import { clientOptions, clientOptionsUsage, integer, none, one, pairs, parse, UsageError } from '../arguments.js'
import type { Connection } from '../client/connection.js'
import { check } from '../client/errors.js'
import { listTopics, offsetsAt, Timestamp, topicNamed } from '../client/topics.js'
import { withGateway } from '../gateway.js'
import { type Terminal, table } from '../terminal.js'

export const usage = `heraclitus topics list | describe TOPIC | create TOPIC [options] | delete TOPIC [options]

  list                   names and numbers of partitions
  describe TOPIC         each partition's first offset, end and number of records, and what is configured
  create TOPIC           creates a topic
    -p, --partitions N     the configured default_partitions unless given
    -c, --topic-config K=V a setting of the topic, such as retention.ms=86400000; may be repeated
  delete TOPIC           deletes a topic with all its records

${clientOptionsUsage}`

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, {
    ...clientOptions,
    partitions: { type: 'string', short: 'p' },
    'topic-config': { type: 'string', short: 'c', multiple: true, default: [] },
  })
  const [action, ...rest] = positionals
  const partitions = integer('partitions', values.partitions, 1) ?? -1
  const configs = pairs('topic-config', values['topic-config']).map(([name, value]) => ({ name, value }))
  const actions: Record<string, (connection: Connection, name: string) => Promise<void>> = {
    list: (connection) => list(connection, values.json, terminal),
    describe: (connection, name) => describe(connection, name, values.json, terminal),
    create: (connection, name) => create(connection, name, partitions, configs),
    delete: (connection, name) => remove(connection, name),
  }
  const act = Object.hasOwn(actions, action ?? '') ? actions[action ?? ''] : undefined
  if (!act) throw new UsageError(`expected ${Object.keys(actions).join(', ')}`)
  if (action === 'list') none(rest)
  const name = action === 'list' ? '' : one('a TOPIC', rest)
  await withGateway(values, terminal, (connection) => act(connection, name))
  return 0
}

async function list(connection: Connection, json: boolean, terminal: Terminal): Promise<void> {
  const rows = (await listTopics(connection)).map((topic) => [topic.name, topic.partitions.length])
  await terminal.out(table(['topic', 'partitions'], rows, json))
}

async function describe(connection: Connection, name: string, json: boolean, terminal: Terminal): Promise<void> {
  const topic = await topicNamed(connection, name)
  const first = await offsetsAt(connection, name, topic.partitions, Timestamp.earliest)
  const end = await offsetsAt(connection, name, topic.partitions, Timestamp.latest)
  const partitions = topic.partitions.map((partition) => {
    const from = first.get(partition) ?? 0
    const to = end.get(partition) ?? 0
    return { partition, first: from, end: to, records: to - from }
  })
  const configs = await configured(connection, name)
  if (json) {
    await terminal.out(
      `${JSON.stringify({ topic: name, id: topic.id, configs: Object.fromEntries(configs), partitions })}\n`,
    )
    return
  }
  const rows = partitions.map((it) => [it.partition, it.first, it.end, it.records])
  await terminal.out(`topic ${name}, id ${topic.id}\n`)
  for (const [key, value] of configs) await terminal.out(`${key}=${value}\n`)
  await terminal.out(table(['partition', 'first', 'end', 'records'], rows, false))
}

/** Resource types and config sources, as Kafka numbers them. */
const topicResource = 2
const dynamicTopicConfig = 1

/** What was set for the topic itself. */
async function configured(connection: Connection, name: string): Promise<[string, string][]> {
  const answer = await connection.request(DescribeConfigs, {
    resources: [{ resourceType: topicResource, resourceName: name, configurationKeys: null }],
  })
  const result = answer.results[0]
  check(`configuration of ${name}`, result?.errorCode ?? 0, result?.errorMessage)
  return (result?.configs ?? [])
    .filter((config) => config.configSource === dynamicTopicConfig)
    .map((config) => [config.name, config.value ?? ''])
}

async function create(
  connection: Connection,
  name: string,
  numPartitions: number,
  configs: { name: string; value: string }[],
): Promise<void> {
  const answer = await connection.request(CreateTopics, {
    topics: [{ name, numPartitions, replicationFactor: -1, assignments: [], configs }],
  })
  const topic = answer.topics[0]
  check(`create topic ${name}`, topic?.errorCode ?? 0, topic?.errorMessage)
}

async function remove(connection: Connection, name: string): Promise<void> {
  const answer = await connection.request(DeleteTopics, {
    topics: [{ name, topicId: ZERO_UUID }],
    topicNames: [name],
    timeoutMs: 30_000,
  })
  const topic = answer.responses[0]
  check(`delete topic ${name}`, topic?.errorCode ?? 0, topic?.errorMessage)
}
