import { nearest } from '../base/nearest.js'
import type { Given } from './problem.js'
import { type Setting, settings } from './settings.js'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Values of settings from the environment. An empty variable counts as unset, as compose files and charts leave
 * them. A text that does not read as the setting's type is kept as it is, for the check to refuse.
 */
export function fromEnvironment(environment: Environment): Map<Setting, Given> {
  const given = new Map<Setting, Given>()
  for (const setting of settings) {
    const text = environment[setting.variable]
    if (text !== undefined && text !== '') given.set(setting, { value: parse(setting, text), where: 'environment' })
  }
  return given
}

/**
 * A line for each `HERACLITUS_…` variable that means nothing to us. Not an error: other programs share the
 * environment, and Kubernetes sets `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT_…` for every service of a namespace.
 */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set(['HERACLITUS_CONFIG', ...settings.map((setting) => setting.variable)])
  return Object.keys(environment)
    .filter((name) => name.startsWith('HERACLITUS_') && !known.has(name) && !foreign.test(name))
    .map((name) => {
      const meant = nearest(name, known)
      return `environment: ${name} is not a setting${meant ? `; did you mean ${meant}?` : ''}`
    })
}

/** Kubernetes' service links, and what our tests pass to themselves. */
const foreign = /^HERACLITUS_TEST_|_SERVICE_(HOST|PORT)(_|$)|_PORT$|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/

function parse(setting: Setting, text: string): unknown {
  if (setting.type === 'integer' && /^[+-]?\d+$/.test(text.trim())) return Number(text)
  if (setting.type === 'boolean') {
    const word = text.trim().toLowerCase()
    if (word === 'true' || word === '1') return true
    if (word === 'false' || word === '0') return false
  }
  return text
}
