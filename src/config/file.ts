import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type toml from 'toml'
import { messageOf } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { ConfigError, type Given } from './problem.js'
import { type SectionName, sections } from './schema.js'
import { type Setting, settings } from './settings.js'
import { lineOf } from './toml-lines.js'

const require = createRequire(import.meta.url)

/** What a configuration file says. */
export interface ConfigFile {
  readonly values: Map<Setting, Given>
  /** The `[[pipeline]]` tables as they were read. */
  readonly pipelines: readonly unknown[]
  /** Where a key stands, such as `config.toml:12`. */
  where(path: readonly (string | number)[]): string
  /** A line for each key or section that is not known. */
  readonly problems: readonly string[]
}

/**
 * Reads a configuration file; undefined if there is none and `mayBeMissing`.
 * @throws ConfigError when it can't be read or is not TOML.
 */
export function readConfigFile(path: string, mayBeMissing: boolean): ConfigFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (mayBeMissing && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ConfigError([`${path}: the configuration file can't be read: ${messageOf(error)}`])
  }
  return parseConfigFile(path, text)
}

/** As `readConfigFile`, of a text that is at hand. */
export function parseConfigFile(path: string, text: string): ConfigFile {
  const where = (key: readonly (string | number)[]) => `${path}:${lineOf(text, key)}`
  const values = new Map<Setting, Given>()
  const problems: string[] = []
  let pipelines: readonly unknown[] = []

  for (const [name, section] of Object.entries(parseToml(path, text))) {
    if (name === 'pipeline') {
      if (Array.isArray(section)) pipelines = section
      else problems.push(`${where([name])}: pipeline: expected [[pipeline]] with two brackets`)
    } else if (!Object.hasOwn(sections, name)) {
      problems.push(
        `${where([name])}: ${name}: unknown section${suggestion(name, [...Object.keys(sections), 'pipeline'])}`,
      )
    } else if (!isTable(section)) {
      problems.push(`${where([name])}: ${name}: expected a section [${name}]`)
    } else {
      const known = settings.filter((setting) => setting.section === (name as SectionName))
      for (const [key, value] of Object.entries(section)) {
        const setting = known.find((candidate) => candidate.key === key)
        if (setting) values.set(setting, { value, where: where([name, key]) })
        else {
          const keys = known.map((candidate) => candidate.key)
          problems.push(`${where([name, key])}: ${name}.${key}: unknown setting${suggestion(key, keys)}`)
        }
      }
    }
  }
  return { values, pipelines, where, problems }
}

function parseToml(path: string, text: string): Record<string, unknown> {
  // Loaded here: many a gateway is configured by its environment alone.
  const { parse } = require('toml') as typeof toml
  try {
    // The parser's tables have no prototype; plain objects are what everybody else expects.
    return structuredClone(parse(text) as Record<string, unknown>)
  } catch (error) {
    const { line, column, message } = syntaxError(error)
    throw new ConfigError([`${path}:${line}:${column}: not valid TOML: ${message}`])
  }
}

/** The parser says where in one of two ways, and lists all it could have gone on with, which helps nobody. */
function syntaxError(error: unknown): { line: number; column: number; message: string } {
  const { found, location, line, column } = error as {
    found?: string | null
    location?: { start: { line: number; column: number } }
    line?: number
    column?: number
  }
  if (location && found !== undefined)
    return { ...location.start, message: `unexpected ${found === null ? 'end of the file' : JSON.stringify(found)}` }
  return { line: line ?? 1, column: column ?? 1, message: messageOf(error).replaceAll('\n', ' ') }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function suggestion(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant ? `; did you mean ${meant}?` : ''
}
