import type * as z from 'zod'
import { type Environment, fromEnvironment, unknownVariables } from './config/environment.js'
import { readConfigFile } from './config/file.js'
import { badValue, ConfigError, type Given, nameOf } from './config/problem.js'
import { type heraclitusSection, type SectionName, sections, type storageSection } from './config/schema.js'
import { type Setting, settings } from './config/settings.js'

export { ConfigError } from './config/problem.js'

/** The whole configuration of one process; frozen. Keys are those of `config.toml` in lower camel case. */
export interface Config {
  readonly heraclitus: HeraclitusConfig
  readonly storage: StorageConfig
  /** The `[[pipeline]]` tables as they stand in the file; src/pipeline checks them. */
  readonly pipelines: readonly unknown[]
  /** The file that was read, or undefined if there was none. */
  readonly file: string | undefined
  /** Where a key of the file stands, such as `config.toml:12`, for error lines: `where(['pipeline', 0, 'name'])`. */
  readonly where: (path: readonly (string | number)[]) => string
  /** Lines worth logging that do not stop the start, such as a variable that is not known. */
  readonly warnings: readonly string[]
}

/** `[heraclitus]`; `advertisedPort` undefined means the port that is listened on. */
export type HeraclitusConfig = Readonly<
  CamelCased<Omit<z.output<typeof heraclitusSection>, 'advertised_host'>> & { advertisedHost: string }
>

type DependsOnUrl = 'flush_interval_ms' | 'flush_bytes' | 'max_inflight_entries' | 'poll_interval_ms'

/** `[storage]`, with the defaults that depend on the store filled in. */
export type StorageConfig = Readonly<
  CamelCased<Omit<z.output<typeof storageSection>, DependsOnUrl> & Record<DependsOnUrl, number>>
>

export interface ConfigSources {
  /** The file named on the command line. */
  path?: string | undefined
  environment: Environment
  /** The file to read if none is named; it need not exist. */
  defaultPath?: string
}

/**
 * Reads the configuration: the environment before the file before the defaults.
 * The file is `path`, or `HERACLITUS_CONFIG`, or `config.toml` in the working directory if there is one.
 * @throws ConfigError with one line for each problem.
 */
export function loadConfig({ path, environment, defaultPath = 'config.toml' }: ConfigSources): Config {
  const named = path ?? (environment.HERACLITUS_CONFIG || undefined)
  const file = readConfigFile(named ?? defaultPath, named === undefined)
  const given = new Map([...(file?.values ?? []), ...fromEnvironment(environment)])
  const problems = [...(file?.problems ?? []), ...check(given)]
  if (problems.length > 0) throw new ConfigError(problems)

  return deepFreeze({
    heraclitus: heraclitusConfig(sections.heraclitus.schema.parse(valuesOf('heraclitus', given))),
    storage: storageConfig(sections.storage.schema.parse(valuesOf('storage', given))),
    pipelines: file?.pipelines ?? [],
    file: file && (named ?? defaultPath),
    where: file?.where ?? (() => 'configuration'),
    warnings: unknownVariables(environment),
  })
}

function heraclitusConfig({ advertised_host, ...section }: z.output<typeof heraclitusSection>): HeraclitusConfig {
  const isOneAddress =
    section.kafka_host !== undefined && section.kafka_host !== '0.0.0.0' && section.kafka_host !== '::'
  return camelCased({
    ...section,
    advertised_host: advertised_host ?? (isOneAddress && section.kafka_host ? section.kafka_host : 'localhost'),
  })
}

function storageConfig(section: z.output<typeof storageSection>): StorageConfig {
  const isPaid = section.url.startsWith('s3:')
  return camelCased({
    ...section,
    flush_interval_ms: section.flush_interval_ms ?? (isPaid ? 100 : 0),
    // Conditional puts stay below 4 MiB, head included: not every server that speaks S3's protocol is sound above.
    flush_bytes: section.flush_bytes ?? (isPaid ? 4 * 1024 * 1024 - 64 * 1024 : 4 * 1024 * 1024),
    max_inflight_entries: section.max_inflight_entries ?? (isPaid ? 4 : 2),
    poll_interval_ms: section.poll_interval_ms ?? (isPaid ? 50 : 10),
  })
}

/** A line for each value that is not what its setting expects, and for settings that contradict each other. */
function check(given: ReadonlyMap<Setting, Given>): string[] {
  const problems: string[] = []
  for (const [setting, it] of given) {
    if (!setting.accepts(it.value)) problems.push(badValue(setting, it) + serviceLinkHint(setting, it))
  }
  if (problems.length > 0) return problems

  const [saslEnabled, username, password] = of('sasl_enabled', 'sasl_plain_username', 'sasl_plain_password')
  const enabled = given.get(saslEnabled)
  if (enabled?.value === true) {
    for (const needed of [username, password]) {
      if (!given.has(needed))
        problems.push(
          `${enabled.where}: ${nameOf(saslEnabled, enabled)} = true: expected ${needed.section}.${needed.key} ` +
            `(or ${needed.variable}) to be set`,
        )
    }
  }
  const [processes] = of('processes')
  const several = given.get(processes) ?? { value: 1, where: 'default' }
  const url = [...given].find(([{ section, key }]) => section === 'storage' && key === 'url')?.[1]
  if (Number(several.value) > 1 && String(url?.value).startsWith('memory:'))
    problems.push(
      `${several.where}: ${nameOf(processes, several)} = ${several.value}: expected 1 with storage.url = memory:, which processes ` +
        "can't share",
    )
  const [steering] = of('steering')
  const isSteering = given.get(steering)
  if (Number(several.value) > 1 && isSteering?.value === true)
    problems.push(
      `${several.where}: ${nameOf(processes, several)} = ${several.value}: expected 1 with heraclitus.steering = true, since ` +
        'processes share one address, and clients are to choose between instances',
    )
  const [shortest, longest] = of('group_min_session_timeout_ms', 'group_max_session_timeout_ms')
  if (!given.has(shortest) && !given.has(longest)) return problems
  const min = given.get(shortest) ?? { value: shortest.default, where: 'default' }
  const max = given.get(longest) ?? { value: longest.default, where: 'default' }
  if (Number(min.value) > Number(max.value)) {
    const [setting, it] = given.has(shortest) ? [shortest, min] : [longest, max]
    problems.push(
      `${it.where}: ${nameOf(setting, it)} = ${it.value}: expected ${shortest.key} (${min.value}) to be at most ` +
        `${longest.key} (${max.value})`,
    )
  }
  return problems
}

/** The settings of [heraclitus] with these keys. */
function of<Keys extends readonly string[]>(...keys: Keys): { [Index in keyof Keys]: Setting } {
  return keys.map((key) => {
    const found = settings.find((setting) => setting.section === 'heraclitus' && setting.key === key)
    if (!found) throw new TypeError(`no setting ${key}`)
    return found
  }) as { [Index in keyof Keys]: Setting }
}

/** Kubernetes sets `HERACLITUS_KAFKA_PORT` for a service named `heraclitus-kafka`. */
function serviceLinkHint(setting: Setting, given: Given): string {
  const isServiceLink = setting.key.endsWith('_port') && /^(tcp|udp):\/\//.test(String(given.value))
  return isServiceLink ? ' (Kubernetes sets it for a service of that name: set enableServiceLinks: false)' : ''
}

function valuesOf(section: SectionName, given: ReadonlyMap<Setting, Given>): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [setting, it] of given) if (setting.section === section) values[setting.key] = it.value
  return values
}

type CamelCase<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key
type CamelCased<Section> = { [Key in keyof Section as CamelCase<Key & string>]: Section[Key] }

function camelCased<Section extends object>(section: Section): CamelCased<Section> {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  ) as CamelCased<Section>
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
