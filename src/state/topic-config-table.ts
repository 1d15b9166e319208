import type { ConfigDefinition } from './config-definition.js'

const noEffect = 'Accepted and kept for tools that set it; without effect here, where object storage holds the records.'
const longMax = '9223372036854775807'

/**
 * Every configuration that Kafka 4.3 knows for topics (`LogConfig`), with its type, bounds and default. Those without
 * effect here say so in their documentation.
 */
export const topicConfigTable: readonly ConfigDefinition[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: 'delete',
    values: ['compact', 'delete'],
    brokerName: 'log.cleanup.policy',
    documentation:
      'What happens to old records: "delete" drops them by retention time and size, "compact" keeps the last record of each key; both may be given.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: '604800000',
    min: -1,
    brokerName: 'log.retention.ms',
    documentation: 'Records older than this many milliseconds are dropped; -1 for no limit.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    brokerName: 'log.retention.bytes',
    documentation: 'The oldest records of a partition are dropped as long as this many bytes remain; -1 for no limit.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: '1048588',
    min: 0,
    brokerName: 'message.max.bytes',
    documentation: 'The largest record batch accepted, bytes, compressed.',
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    brokerName: 'log.message.timestamp.type',
    documentation: "Whether a record's timestamp is the producer's or the time of its append.",
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: longMax,
    min: 0,
    brokerName: 'log.message.timestamp.before.max.ms',
    documentation:
      'With CreateTime, a batch is refused when the timestamp of its first record is older than this many milliseconds.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: '3600000',
    min: 0,
    brokerName: 'log.message.timestamp.after.max.ms',
    documentation:
      'With CreateTime, a batch is refused when its largest timestamp is this many milliseconds in the future.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    brokerName: 'compression.type',
    documentation: "Batches are kept as the producer compressed them, as with 'producer'; other values have no effect.",
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: '86400000',
    min: 0,
    brokerName: 'log.cleaner.delete.retention.ms',
    documentation:
      'With "compact": a record without a value, which deletes its key, stays for so many milliseconds after the records that it deletes are gone.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    min: 0,
    brokerName: 'log.cleaner.min.compaction.lag.ms',
    documentation: 'With "compact": records stay for so many milliseconds at least.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: longMax,
    min: 1,
    brokerName: 'log.cleaner.max.compaction.lag.ms',
    documentation:
      'With "compact": records are compacted after so many milliseconds, whatever min.cleanable.dirty.ratio says.',
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    min: 0,
    max: 1,
    brokerName: 'log.cleaner.min.cleanable.ratio',
    documentation:
      'With "compact": a partition is compacted when more than this share of its bytes was never compacted.',
  },
  ...inert('min.insync.replicas', 'int', '1', 'min.insync.replicas', { min: 1 }),
  ...inert('unclean.leader.election.enable', 'boolean', 'false', 'unclean.leader.election.enable'),
  ...inert('segment.bytes', 'int', '1073741824', 'log.segment.bytes', { min: 1048576 }),
  ...inert('segment.ms', 'long', '604800000', 'log.roll.ms', { min: 1 }),
  ...inert('segment.jitter.ms', 'long', '0', 'log.roll.jitter.ms', { min: 0 }),
  ...inert('segment.index.bytes', 'int', '10485760', 'log.index.size.max.bytes', { min: 4 }),
  ...inert('index.interval.bytes', 'int', '4096', 'log.index.interval.bytes', { min: 0 }),
  ...inert('flush.messages', 'long', longMax, 'log.flush.interval.messages', { min: 1 }),
  ...inert('flush.ms', 'long', longMax, 'log.flush.interval.ms', { min: 0 }),
  ...inert('file.delete.delay.ms', 'long', '60000', 'log.segment.delete.delay.ms', { min: 0 }),
  ...inert('preallocate', 'boolean', 'false', 'log.preallocate'),
  ...inert('compression.gzip.level', 'int', '-1', 'compression.gzip.level', { min: -1, max: 9 }),
  ...inert('compression.lz4.level', 'int', '9', 'compression.lz4.level', { min: 1, max: 17 }),
  ...inert('compression.zstd.level', 'int', '3', 'compression.zstd.level', { min: -131072, max: 22 }),
  ...inert('leader.replication.throttled.replicas', 'list', '', undefined),
  ...inert('follower.replication.throttled.replicas', 'list', '', undefined),
  ...inert('remote.storage.enable', 'boolean', 'false', undefined),
  ...inert('remote.log.copy.disable', 'boolean', 'false', undefined),
  ...inert('remote.log.delete.on.disable', 'boolean', 'false', undefined),
  ...inert('local.retention.ms', 'long', '-2', 'log.local.retention.ms', { min: -2 }),
  ...inert('local.retention.bytes', 'long', '-2', 'log.local.retention.bytes', { min: -2 }),
]

function inert(
  name: string,
  type: ConfigDefinition['type'],
  defaultValue: string,
  brokerName: string | undefined,
  bounds: Pick<ConfigDefinition, 'min' | 'max'> = {},
  documentation = noEffect,
): [ConfigDefinition] {
  return [{ name, type, default: defaultValue, brokerName, documentation, ...bounds }]
}
