import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { assertGeneratedFile, assertGeneratedPart } from '../tests/support/generated-docs.js'
import { printConfig, printSettingsTable } from './config/print.js'
import { settings } from './config/settings.js'
import { type Config, ConfigError, loadConfig } from './config.js'

const directory = mkdtempSync(join(tmpdir(), 'heraclitus-config-'))
after(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'config.toml')
const missing = join(directory, 'missing.toml')

/** Loads a configuration from a text and an environment. */
function load(text: string, environment: Record<string, string> = {}): Config {
  writeFileSync(file, text)
  return loadConfig({ path: file, environment })
}

/** The problems that loading gives, with the file's path shortened to `config.toml`. */
function problems(text: string, environment: Record<string, string> = {}): string[] {
  try {
    load(text, environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map((line) => line.replaceAll(file, 'config.toml'))
  }
  return []
}

test('without a file and an environment every documented default holds', () => {
  const config = loadConfig({ environment: {}, defaultPath: missing })
  assert.equal(config.file, undefined)
  assert.equal(config.heraclitus.kafkaPort, 9092)
  assert.equal(config.heraclitus.metricsPort, 9091)
  assert.equal(config.heraclitus.saslEnabled, false)
  assert.equal(config.heraclitus.defaultPartitions, 8)
  assert.equal(config.heraclitus.defaultReplicationFactor, 1)
  assert.equal(config.heraclitus.nodeId, 1)
  assert.equal(config.heraclitus.autoCreateTopics, true)
  assert.equal(config.heraclitus.advertisedHost, 'localhost')
  assert.equal(config.heraclitus.shutdownDelayMs, 0)
  assert.equal(config.heraclitus.groupMinSessionTimeoutMs, 6000)
  assert.equal(config.heraclitus.groupMaxSessionTimeoutMs, 1_800_000)
  assert.equal(config.heraclitus.groupInitialRebalanceDelayMs, 3000)
  assert.deepEqual(config.storage, {
    url: 'file:./data',
    fsync: true,
    mmap: true,
    flushIntervalMs: 0,
    flushBytes: 4 * 1024 * 1024,
    maxInflightEntries: 2,
    pollIntervalMs: 10,
    cacheBytes: 64 * 1024 * 1024,
    snapshotEntries: 1000,
    segmentBytes: 32 * 1024 * 1024,
    compactIntervalMs: 30_000,
    compactAgeMs: 30 * 60_000,
    dedupeBufferBytes: 64 * 1024 * 1024,
    trimGraceMs: 60 * 60_000,
  })
  assert.deepEqual(config.pipelines, [])
})

test('config.toml at the root is the schema with every default and loads to the defaults', () => {
  assertGeneratedFile('config.toml', printConfig())
  const root = readFileSync('config.toml', 'utf8')
  const { file: _, where: __, ...fromRoot } = load(root)
  const { file: ___, where: ____, ...defaults } = loadConfig({ environment: {}, defaultPath: missing })
  assert.deepEqual(fromRoot, defaults)
})

test('docs/operations.md has every setting', () => {
  assertGeneratedPart('docs/operations.md', 'settings', printSettingsTable())
})

test('the configuration is frozen through and through', () => {
  const config = load('[[pipeline]]\nname = "a"')
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.heraclitus) && Object.isFrozen(config.pipelines[0]))
})

test('the environment wins over the file, the file over the default', () => {
  const text = '[heraclitus]\nkafka_port = 1000\nmetrics_port = 1001\n[storage]\nurl = "memory:"'
  const config = load(text, { HERACLITUS_KAFKA_PORT: '2000', HERACLITUS_STORAGE_FSYNC: 'false' })
  assert.equal(config.heraclitus.kafkaPort, 2000)
  assert.equal(config.heraclitus.metricsPort, 1001)
  assert.equal(config.storage.url, 'memory:')
  assert.equal(config.storage.fsync, false)
})

test('HERACLITUS_CONFIG names the file, and the command line wins over it', () => {
  writeFileSync(file, '[heraclitus]\nnode_id = 7')
  assert.equal(loadConfig({ environment: { HERACLITUS_CONFIG: file } }).heraclitus.nodeId, 7)
  assert.equal(loadConfig({ path: file, environment: { HERACLITUS_CONFIG: missing } }).heraclitus.nodeId, 7)
})

test('a named file that is missing is an error, the default one may be', () => {
  assert.throws(
    () => loadConfig({ path: missing, environment: {} }),
    /missing\.toml: the configuration file can't be read/,
  )
  assert.doesNotThrow(() => loadConfig({ environment: {}, defaultPath: missing }))
})

test('a bad value is one line with place, key, value and what was expected', () => {
  assert.deepEqual(problems('[heraclitus]\n# a comment\nkafka_port = "abc"'), [
    'config.toml:3: heraclitus.kafka_port = "abc": expected an integer from 0 to 65535',
  ])
  assert.deepEqual(problems('', { HERACLITUS_KAFKA_PORT: '70000' }), [
    'environment: HERACLITUS_KAFKA_PORT = 70000: expected an integer from 0 to 65535',
  ])
  assert.deepEqual(problems('[storage]\nurl = "ftp://x"'), [
    'config.toml:2: storage.url = "ftp://x": expected file:<directory>, s3://<bucket>/<prefix> or memory:',
  ])
  assert.deepEqual(problems('', { HERACLITUS_SASL_ENABLED: 'yes' }), [
    'environment: HERACLITUS_SASL_ENABLED = "yes": expected true or false',
  ])
  assert.deepEqual(problems('', { HERACLITUS_LOG_LEVEL: 'loud' }), [
    'environment: HERACLITUS_LOG_LEVEL = "loud": expected one of ' +
      '"fatal", "error", "warn", "info", "debug", "trace", "silent"',
  ])
})

test('every bad value gets its own line', () => {
  assert.equal(problems('[heraclitus]\nkafka_port = -1\nnode_id = 1.5\n[storage]\nfsync = "no"').length, 3)
})

test('an unknown key or section is an error that names the nearest known one', () => {
  assert.deepEqual(problems('[heraclitus]\nkafka_prot = 9092'), [
    'config.toml:2: heraclitus.kafka_prot: unknown setting; did you mean kafka_port?',
  ])
  assert.deepEqual(problems('[storag]\nurl = "memory:"'), [
    'config.toml:1: storag: unknown section; did you mean storage?',
  ])
  assert.deepEqual(problems('[heraclitus]\nzzz = 1'), ['config.toml:2: heraclitus.zzz: unknown setting'])
  assert.deepEqual(problems('[toString]\n'), ['config.toml:1: toString: unknown section'])
})

test('text that is not TOML is one line with line and column', () => {
  const [line, ...more] = problems('[heraclitus]\nkafka_port = = 1')
  assert.match(line ?? '', /^config\.toml:2:\d+: not valid TOML: /)
  assert.deepEqual(more, [])
})

test('a variable that is not known is a warning with the nearest known one, not an error', () => {
  assert.deepEqual(load('', { HERACLITUS_KAFKA_PROT: '1' }).warnings, [
    'environment: HERACLITUS_KAFKA_PROT is not a setting; did you mean HERACLITUS_KAFKA_PORT?',
  ])
})

test("Kubernetes' service links are not warned about, and explained where they collide with a setting", () => {
  const links = {
    HERACLITUS_SERVICE_HOST: '10.0.0.1',
    HERACLITUS_SERVICE_PORT: '9092',
    HERACLITUS_PORT: 'tcp://10.0.0.1:9092',
    HERACLITUS_PORT_9092_TCP_ADDR: '10.0.0.1',
  }
  assert.deepEqual(load('', links).warnings, [])
  assert.match(problems('', { HERACLITUS_KAFKA_PORT: 'tcp://10.0.0.1:9092' })[0] ?? '', /enableServiceLinks/)
})

test('an empty variable counts as unset', () => {
  assert.equal(load('', { HERACLITUS_KAFKA_PORT: '', HERACLITUS_CONFIG: '' }).heraclitus.kafkaPort, 9092)
})

test('SASL needs a user name and a password, and the password is never shown', () => {
  assert.deepEqual(problems('[heraclitus]\nsasl_enabled = true\nsasl_plain_username = "admin"'), [
    'config.toml:2: heraclitus.sasl_enabled = true: expected heraclitus.sasl_plain_password ' +
      '(or HERACLITUS_SASL_PLAIN_PASSWORD) to be set',
  ])
  assert.deepEqual(problems('[heraclitus]\nsasl_plain_password = 1234567'), [
    'config.toml:2: heraclitus.sasl_plain_password = (hidden): expected a text that is not empty',
  ])
})

test('a shortest session timeout above the longest is an error', () => {
  assert.deepEqual(problems('[heraclitus]\ngroup_min_session_timeout_ms = 2000000'), [
    'config.toml:2: heraclitus.group_min_session_timeout_ms = 2000000: expected group_min_session_timeout_ms (2000000) ' +
      'to be at most group_max_session_timeout_ms (1800000)',
  ])
})

test('processes that share an address cannot be told apart by clients, so these cannot be steered', () => {
  assert.deepEqual(problems('[heraclitus]\nprocesses = 2\nsteering = true'), [
    'config.toml:2: heraclitus.processes = 2: expected 1 with heraclitus.steering = true, since processes share one ' +
      'address, and clients are to choose between instances',
  ])
  assert.equal(load('[heraclitus]\nsteering = true').heraclitus.steering, true)
})

test('a cluster has from 1 to 64 ledgers, and as many as it has if nothing is said', () => {
  assert.deepEqual(problems('[storage]\nledgers = 65'), [
    'config.toml:2: storage.ledgers = 65: expected an integer from 1 to 64',
  ])
  assert.equal(load('[storage]\nledgers = 3').storage.ledgers, 3)
  assert.equal(load('').storage.ledgers, undefined)
})

test('a paid store gets other defaults, which can be overridden', () => {
  const { storage } = load('[storage]\nurl = "s3://bucket/prefix"')
  assert.deepEqual([storage.flushIntervalMs, storage.maxInflightEntries, storage.pollIntervalMs], [100, 4, 50])
  assert.equal(load('[storage]\nurl = "s3://bucket"\nflush_interval_ms = 5').storage.flushIntervalMs, 5)
})

test('the advertised host follows kafka_host when that is one address', () => {
  assert.equal(load('[heraclitus]\nkafka_host = "10.1.2.3"').heraclitus.advertisedHost, '10.1.2.3')
  assert.equal(load('[heraclitus]\nkafka_host = "0.0.0.0"').heraclitus.advertisedHost, 'localhost')
  assert.equal(load('[heraclitus]\nkafka_host = "10.1.2.3"\nadvertised_host = "lb"').heraclitus.advertisedHost, 'lb')
})

test('pipelines are passed through as they were read, with the place of each key', () => {
  const config = load(
    '[[pipeline]]\nname = "a"\n[[pipeline.sink]]\nstdout = {}\n\n[[pipeline]]\nname = "b"\n[[pipeline.sink]]\n' +
      'batch = """\nname = 1\n"""\n[[pipeline.sink]]\nfile = { path = "x" }\n',
  )
  assert.deepEqual(config.pipelines[0], { name: 'a', sink: [{ stdout: {} }] })
  const line = (...path: (string | number)[]) =>
    Number(
      config
        .where(['pipeline', ...path])
        .split(':')
        .at(-1),
    )
  assert.deepEqual(
    [line(0), line(0, 'name'), line(0, 'sink', 0), line(1), line(1, 'name'), line(1, 'sink', 1, 'file', 'path')],
    [1, 2, 3, 6, 7, 13],
  )
  assert.deepEqual(problems('[pipeline]\nname = "a"'), [
    'config.toml:1: pipeline: expected [[pipeline]] with two brackets',
  ])
})

test('whatever a variable holds, loading succeeds or names that variable in one line', () => {
  fc.assert(
    fc.property(fc.constantFrom(...settings), fc.string({ minLength: 1 }), (setting, text) => {
      try {
        loadConfig({ environment: { [setting.variable]: text }, defaultPath: missing })
      } catch (error) {
        assert.ok(error instanceof ConfigError)
        assert.equal(error.problems.length, 1)
        assert.ok(error.problems[0]?.startsWith(`environment: ${setting.variable} = `))
        assert.ok(!error.problems[0]?.includes('\n'))
      }
    }),
  )
})
