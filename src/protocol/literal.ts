import type { WireField } from './at-version.js'

/** The default of a field as JavaScript source; `r.noBytes` is empty bytes. */
export function literal(field: WireField): string {
  return source(field.default)
}

function source(value: unknown): string {
  if (Buffer.isBuffer(value)) return 'r.noBytes'
  if (Array.isArray(value)) return '[]'
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, part]) => `${name}: ${source(part)}`)
    return `{ ${entries.join(', ')} }`
  }
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}
