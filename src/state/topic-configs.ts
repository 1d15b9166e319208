import { type ConfigDefinition, configProblem, listOf } from './config-definition.js'
import { topicConfigTable } from './topic-config-table.js'

/** The configurations of a topic that are obeyed. */
export interface TopicConfig {
  /** The largest batch accepted, bytes. */
  readonly maxMessageBytes: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  /** How far a producer's timestamps may be from now, milliseconds. */
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** -1: no limit. */
  readonly retentionMs: number
  /** Of each partition, bytes; -1: no limit. */
  readonly retentionBytes: number
  readonly cleanupPolicy: readonly string[]
}

const definitions = new Map(topicConfigTable.map((definition) => [definition.name, definition]))
const read = new WeakMap<ReadonlyMap<string, string>, TopicConfig>()
const defaults = readConfig(new Map())

/** What is obeyed of a topic's configurations; `configs` holds what was set, and isn't changed afterwards. */
export function topicConfig(configs: ReadonlyMap<string, string>): TopicConfig {
  if (configs.size === 0) return defaults
  let config = read.get(configs)
  if (config === undefined) {
    config = readConfig(configs)
    read.set(configs, config)
  }
  return config
}

/** The definition of a topic configuration, or undefined if Kafka knows none of that name. */
export function topicConfigDefinition(name: string): ConfigDefinition | undefined {
  return definitions.get(name)
}

/** What is wrong with a configuration that somebody sets, or undefined: key, value, and what was expected. */
export function topicConfigProblem(name: string, value: string | null): string | undefined {
  const definition = definitions.get(name)
  if (definition === undefined) return `Unknown topic config name: ${name}`
  if (value === null) return `Null value not supported for topic configs: ${name}`
  if (name === 'remote.storage.enable' && /^\s*true\s*$/i.test(value))
    return `Invalid value ${value} for configuration ${name}: Tiered Storage functionality is disabled in the broker`
  return configProblem(definition, value)
}

function readConfig(configs: ReadonlyMap<string, string>): TopicConfig {
  const text = (name: string) => (configs.get(name) ?? definitions.get(name)?.default ?? '').trim()
  return {
    maxMessageBytes: Number(text('max.message.bytes')),
    timestampType: text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: Number(text('message.timestamp.before.max.ms')),
    timestampAfterMaxMs: Number(text('message.timestamp.after.max.ms')),
    retentionMs: Number(text('retention.ms')),
    retentionBytes: Number(text('retention.bytes')),
    cleanupPolicy: listOf(text('cleanup.policy')),
  }
}
