import type { ConfigDefinition, ConfigType } from '../state/config-definition.js'
import { topicConfigTable } from '../state/topic-config-table.js'
import type { ServerConfig } from './server-config.js'

/** Kafka's `DescribeConfigsResponse.ConfigSource`. */
export const ConfigSource = { dynamicTopic: 1, staticBroker: 4, default: 5 } as const

/** Kafka's `DescribeConfigsResponse.ConfigType`. */
const typeCodes: Readonly<Record<ConfigType, number>> = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 }

/** One configuration as DescribeConfigs and CreateTopics show it. */
export interface DescribedConfig {
  readonly name: string
  readonly value: string
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly synonyms: { name: string; value: string; source: number }[]
  readonly configType: number
  readonly documentation: string
}

/** Every configuration of a topic: what was set, and the defaults of the rest. */
export function describeTopicConfigs(configs: ReadonlyMap<string, string>): DescribedConfig[] {
  return topicConfigTable.map((definition) => {
    const { name, brokerName, documentation } = definition
    const value = configs.get(name)
    const synonyms = []
    if (value !== undefined) synonyms.push({ name, value, source: ConfigSource.dynamicTopic })
    if (brokerName !== undefined)
      synonyms.push({ name: brokerName, value: definition.default, source: ConfigSource.default })
    return {
      name,
      value: value ?? definition.default,
      readOnly: false,
      configSource: value === undefined ? ConfigSource.default : ConfigSource.dynamicTopic,
      isSensitive: false,
      synonyms,
      configType: typeCodes[definition.type],
      documentation,
    }
  })
}

/** What this instance obeys of a broker's configurations, by their names in Kafka. None can be changed by a client. */
export function describeBrokerConfigs(config: ServerConfig): DescribedConfig[] {
  const { nodeId, advertisedHost, advertisedPort, saslEnabled } = config
  const protocol = saslEnabled ? 'SASL_PLAINTEXT' : 'PLAINTEXT'
  const own = (name: string, type: ConfigType, value: string | number | boolean, documentation: string) =>
    brokerConfig(name, type, String(value), ConfigSource.staticBroker, documentation)
  return [
    own('node.id', 'int', nodeId, 'The id of this instance in metadata.'),
    own('broker.id', 'int', nodeId, 'The id of this instance in metadata.'),
    own(
      'advertised.listeners',
      'list',
      `${protocol}://${advertisedHost}:${advertisedPort}`,
      'Where clients are told to connect.',
    ),
    own('sasl.enabled.mechanisms', 'list', saslEnabled ? 'PLAIN' : '', 'The SASL mechanisms clients may use.'),
    own(
      'auto.create.topics.enable',
      'boolean',
      config.autoCreateTopics,
      'Whether a topic is created when a client first names it.',
    ),
    own(
      'num.partitions',
      'int',
      config.defaultPartitions,
      'Partitions of a topic created without a number of its own.',
    ),
    own(
      'default.replication.factor',
      'int',
      config.defaultReplicationFactor,
      'Replication factor of a topic created without one. The object store keeps the copies: clients see one.',
    ),
    ...topicConfigTable
      .filter(isObeyed)
      .map(({ brokerName, type, default: value, documentation }) =>
        brokerConfig(brokerName, type, value, ConfigSource.default, documentation),
      ),
  ]
}

/** Those whose documentation says what they do; see the table. */
const obeyed: ReadonlySet<string> = new Set([
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'max.message.bytes',
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'compression.type',
])

function isObeyed(definition: ConfigDefinition): definition is ConfigDefinition & { brokerName: string } {
  return obeyed.has(definition.name) && definition.brokerName !== undefined
}

function brokerConfig(
  name: string,
  type: ConfigType,
  value: string,
  configSource: number,
  documentation: string,
): DescribedConfig {
  return {
    name,
    value,
    readOnly: true,
    configSource,
    isSensitive: false,
    synonyms: [{ name, value, source: configSource }],
    configType: typeCodes[type],
    documentation,
  }
}
