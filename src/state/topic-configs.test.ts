import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicConfigTable } from './topic-config-table.js'
import { topicConfig, topicConfigConflict, topicConfigProblem } from './topic-configs.js'

test('a topic without configurations has the defaults of Kafka', () => {
  assert.deepEqual(topicConfig(new Map()), {
    maxMessageBytes: 1_048_588,
    timestampType: 'CreateTime',
    timestampBeforeMaxMs: Number('9223372036854775807'),
    timestampAfterMaxMs: 3_600_000,
    retentionMs: 604_800_000,
    retentionBytes: -1,
    cleanupPolicy: ['delete'],
    isCompacted: false,
    deleteRetentionMs: 86_400_000,
    minCompactionLagMs: 0,
    maxCompactionLagMs: Number('9223372036854775807'),
    minCleanableDirtyRatio: 0.5,
  })
})

test('what was set is obeyed', () => {
  const configs = new Map([
    ['cleanup.policy', 'compact, delete'],
    ['retention.ms', ' -1 '],
    ['message.timestamp.type', 'LogAppendTime'],
    ['max.message.bytes', '10'],
    ['segment.bytes', '1048576'],
  ])
  const config = topicConfig(configs)
  assert.deepEqual(config.cleanupPolicy, ['compact', 'delete'])
  assert.equal(config.isCompacted, true)
  assert.equal(config.retentionMs, -1)
  assert.equal(config.timestampType, 'LogAppendTime')
  assert.equal(config.maxMessageBytes, 10)
  assert.equal(topicConfig(configs), config)
})

test('every default is a value that may be set', () => {
  for (const { name, default: value } of topicConfigTable) assert.equal(topicConfigProblem(name, value), undefined)
})

test('bad values are refused in the words of Kafka', () => {
  const cases: [name: string, value: string | null, problem: string | undefined][] = [
    ['retention.ms', '1000', undefined],
    ['retention.ms', '-2', 'Invalid value -2 for configuration retention.ms: Value must be at least -1'],
    ['retention.ms', 'x', 'Invalid value x for configuration retention.ms: Not a number of type LONG'],
    ['retention.ms', '1.5', 'Invalid value 1.5 for configuration retention.ms: Not a number of type LONG'],
    ['retention.ms', '9223372036854775807', undefined],
    [
      'retention.ms',
      '9223372036854775808',
      'Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG',
    ],
    [
      'max.message.bytes',
      '2147483648',
      'Invalid value 2147483648 for configuration max.message.bytes: Not a number of type INT',
    ],
    ['cleanup.policy', 'compact,delete', undefined],
    ['cleanup.policy', '', undefined],
    [
      'cleanup.policy',
      'delete,shred',
      'Invalid value delete,shred for configuration cleanup.policy: String must be one of: compact, delete',
    ],
    [
      'min.cleanable.dirty.ratio',
      '1.1',
      'Invalid value 1.1 for configuration min.cleanable.dirty.ratio: Value must be no more than 1',
    ],
    ['preallocate', 'TRUE', undefined],
    [
      'preallocate',
      'yes',
      'Invalid value yes for configuration preallocate: Expected value to be either true or false',
    ],
    [
      'remote.storage.enable',
      'true',
      'Invalid value true for configuration remote.storage.enable: Tiered Storage functionality is disabled in the broker',
    ],
    ['retention.ms', null, 'Null value not supported for topic configs: retention.ms'],
    ['colour', 'blue', 'Unknown topic config name: colour'],
  ]
  for (const [name, value, problem] of cases) assert.equal(topicConfigProblem(name, value), problem)
})

test('the smallest compaction lag can not be larger than the largest', () => {
  const lags = (min: string, max: string) =>
    topicConfigConflict(
      new Map([
        ['min.compaction.lag.ms', min],
        ['max.compaction.lag.ms', max],
      ]),
    )
  assert.equal(lags('5', '5'), undefined)
  assert.equal(lags('6', '5'), 'conflict topic config setting min.compaction.lag.ms (6) > max.compaction.lag.ms (5)')
  assert.equal(topicConfigConflict(new Map([['min.compaction.lag.ms', '9223372036854775807']])), undefined)
})
