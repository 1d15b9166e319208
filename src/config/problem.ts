import type { Setting } from './settings.js'

/** The configuration can't be used. `problems` has one line for each thing that is wrong; exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** A value that was given for a setting, and where: `config.toml:4` or `environment`. */
export interface Given {
  readonly value: unknown
  readonly where: string
}

/** One line that names key, value, what was expected, and where. */
export function badValue(setting: Setting, given: Given): string {
  return `${given.where}: ${nameOf(setting, given)} = ${shown(setting, given.value)}: expected ${setting.expected}`
}

/** The setting as the reader wrote it: a variable in the environment, a key in the file. */
export function nameOf(setting: Setting, given: Given): string {
  return given.where === 'environment' ? setting.variable : `${setting.section}.${setting.key}`
}

const shownCharactersMax = 100

function shown(setting: Setting, value: unknown): string {
  if (setting.secret) return '(hidden)'
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text
}
