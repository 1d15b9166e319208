import type * as z from 'zod'

/**
 * The first thing that is wrong with `[[pipeline]]`, in one line: which pipeline, which key, what it is, what was
 * expected. A key that does not exist comes with the nearest that does.
 */
export function describeIssue(
  error: z.ZodError,
  raw: unknown,
  schema: z.ZodType,
): { message: string; path: (string | number)[] } {
  const issue = error.issues[0]
  if (issue === undefined) return { message: 'the pipelines are described wrongly', path: [] }
  const inner = innermost(issue)
  const path = [...issue.path, ...inner.path]
  const unknown = inner.code === 'unrecognized_keys' ? inner.keys[0] : undefined
  const message =
    unknown === undefined ? wrongValue(inner, raw, path) : unknownKey(unknown, raw, path, keysAt(schema, path))
  if (unknown !== undefined) path.push(unknown)
  return { message, path: path.filter((part) => typeof part !== 'symbol') }
}

function unknownKey(key: string, raw: unknown, path: readonly PropertyKey[], known: readonly string[]): string {
  const near = nearest(key, known)
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return `${placeOf(raw, [...path, key])}: there is no such key${hint}`
}

function wrongValue(issue: Issue, raw: unknown, path: readonly PropertyKey[]): string {
  const place = placeOf(raw, path)
  const value = valueAt(raw, path)
  const expected = expectation(issue)
  if (value === undefined) return `${place} is missing: ${expected}`
  return typeof value === 'object' ? `${place}: ${expected}` : `${place} = ${JSON.stringify(value)}: ${expected}`
}

type Issue = z.core.$ZodIssue

/** Of a union's alternatives the one that got furthest, if any got beyond the first look. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return { ...issue, path: [] }
  const deeper = issue.errors
    .flatMap((issues) => issues[0] ?? [])
    .filter((inner) => inner.path.length > 0 || inner.code !== 'invalid_type')
    .sort((a, b) => b.path.length - a.path.length)[0]
  if (deeper === undefined || deeper.code === 'invalid_union') return { ...issue, path: [] }
  return deeper
}

function expectation(issue: Issue): string {
  if (issue.message.startsWith('expected')) return issue.message
  if (issue.code === 'invalid_type') return `expected ${article(issue.expected)}`
  if (issue.code === 'invalid_value')
    return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
  return issue.message
}

function article(expected: string): string {
  const name = { object: 'table', record: 'table', array: 'list', boolean: 'true or false', string: 'text in quotes' }[
    expected
  ]
  if (name === 'true or false' || name === 'text in quotes') return name
  return `a ${name ?? expected}`
}

/** `pipeline "paid", sink 1, batch.size`. Lists count from 1. */
function placeOf(raw: unknown, path: readonly PropertyKey[]): string {
  const [index, ...rest] = path
  if (typeof index !== 'number') return 'pipeline'
  const name = valueAt(raw, [index, 'name'])
  const parts = [typeof name === 'string' ? `pipeline "${name}"` : `pipeline ${index + 1}`]
  let key = ''
  for (const part of rest) {
    if (typeof part === 'number') {
      parts.push(`${key} ${part + 1}`)
      key = ''
    } else key += `${key === '' ? '' : '.'}${String(part)}`
  }
  if (key !== '') parts.push(key)
  return parts.join(', ')
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[part]
  }
  return value
}

/** The keys that a schema allows at a place. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let candidates = alternatives(schema)
  for (const part of path) {
    candidates = candidates.flatMap((candidate) => {
      const { def } = candidate._zod as unknown as { def: Definition }
      const next = typeof part === 'number' ? def.element : def.shape?.[String(part)]
      return next === undefined ? [] : alternatives(next)
    })
  }
  return candidates.flatMap((candidate) => {
    const { def } = candidate._zod as unknown as { def: Definition }
    return Object.keys(def.shape ?? {})
  })
}

interface Definition {
  shape?: Record<string, z.ZodType>
  element?: z.ZodType
  innerType?: z.ZodType
  in?: z.ZodType
  options?: z.ZodType[]
}

/** What is behind defaults, optionals, transformations and unions. */
function alternatives(schema: z.ZodType): z.ZodType[] {
  const { def } = schema._zod as unknown as { def: Definition }
  const inner = def.innerType ?? def.in
  if (inner !== undefined) return alternatives(inner)
  return def.options === undefined ? [schema] : def.options.flatMap(alternatives)
}

/** The known key that is nearest by typing errors, unless even that is far. */
function nearest(key: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(key.length / 2)) + 1
  for (const candidate of known) {
    const distance = typingErrors(key, candidate)
    if (distance >= least) continue
    least = distance
    best = candidate
  }
  return best
}

/** Levenshtein's distance. */
function typingErrors(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
