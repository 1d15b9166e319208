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
  /** Whether only the last record of each key is kept, and no record may be without one. */
  readonly isCompacted: boolean
  /** How long a tombstone stays after the records that it deletes are gone, milliseconds. */
  readonly deleteRetentionMs: number
  /** Records are kept for so long at least, and compacted after so long at most, milliseconds. */
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  /** Share of a log's bytes that must be new since it was last compacted, 0 to 1. */
  readonly minCleanableDirtyRatio: number
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

/** What is wrong with configurations together that are right each by itself, or undefined. */
export function topicConfigConflict(configs: ReadonlyMap<string, string>): string | undefined {
  const { minCompactionLagMs, maxCompactionLagMs } = topicConfig(configs)
  if (minCompactionLagMs <= maxCompactionLagMs) return undefined
  return `conflict topic config setting min.compaction.lag.ms (${minCompactionLagMs}) > max.compaction.lag.ms (${maxCompactionLagMs})`
}

function readConfig(configs: ReadonlyMap<string, string>): TopicConfig {
  const text = (name: string) => (configs.get(name) ?? definitions.get(name)?.default ?? '').trim()
  const cleanupPolicy = listOf(text('cleanup.policy'))
  return {
    maxMessageBytes: Number(text('max.message.bytes')),
    timestampType: text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: Number(text('message.timestamp.before.max.ms')),
    timestampAfterMaxMs: Number(text('message.timestamp.after.max.ms')),
    retentionMs: Number(text('retention.ms')),
    retentionBytes: Number(text('retention.bytes')),
    cleanupPolicy,
    isCompacted: cleanupPolicy.includes('compact'),
    deleteRetentionMs: Number(text('delete.retention.ms')),
    minCompactionLagMs: Number(text('min.compaction.lag.ms')),
    maxCompactionLagMs: Number(text('max.compaction.lag.ms')),
    minCleanableDirtyRatio: Number(text('min.cleanable.dirty.ratio')),
  }
}
