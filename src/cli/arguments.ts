import { type ParseArgsConfig, parseArgs } from 'node:util'

/** The command line is not understood; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Options that every command which talks to a gateway has. */
export const clientOptions = {
  bootstrap: { type: 'string' },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const clientOptionsUsage = `  --bootstrap HOST:PORT  the gateway; localhost and the configured kafka_port unless given
  --config FILE          the configuration, for port and SASL credentials
  --json                 JSON, one object a line`

/**
 * Parses a command's arguments, options anywhere.
 * @throws UsageError
 */
export function parse<const Options extends NonNullable<ParseArgsConfig['options']>>(
  argv: readonly string[],
  options: Options,
): ReturnType<typeof parseArgs<{ args: string[]; options: Options; allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error))
  }
}

/** An integer option; undefined if it is not given. @throws UsageError */
export function integer(option: string, text: string | undefined, min: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < min)
    throw new UsageError(`--${option} ${text}: expected an integer of at least ${min}`)
  return value
}

/** `key=value` options. @throws UsageError */
export function pairs(option: string, texts: readonly string[]): [string, string][] {
  return texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw new UsageError(`--${option} ${text}: expected key=value`)
    return [text.slice(0, at), text.slice(at + 1)]
  })
}

/** The one positional argument that is expected. @throws UsageError */
export function one(what: string, positionals: readonly string[]): string {
  const [first, ...rest] = positionals
  if (first === undefined) throw new UsageError(`expected ${what}`)
  if (rest.length > 0) throw new UsageError(`unexpected argument ${rest[0]}`)
  return first
}

/** No positional arguments are expected. @throws UsageError */
export function none(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`)
}
