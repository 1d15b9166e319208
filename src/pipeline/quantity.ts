import * as z from 'zod'

const byteUnits = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }
const timeUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A size such as `"1MB"` (units of 1024) or a number of bytes; gives bytes. */
export function byteSize(min: number, max: number) {
  const expected = `a size from ${min} B to ${max / byteUnits.MB} MB, such as 65536, "64KB" or "1MB"`
  return z.union([z.number(), z.string()], { error: `expected ${expected}` }).transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parse(value, /^(\d+(?:\.\d+)?) ?([kKMG]?B)$/, byteUnits)
    if (bytes !== undefined && Number.isInteger(bytes) && bytes >= min && bytes <= max) return bytes
    context.addIssue({ code: 'custom', message: `expected ${expected}`, input: value })
    return z.NEVER
  })
}

/** A time such as `"100ms"`, `"5s"`, `"2m"` or `"1h"`; gives milliseconds. */
export function duration(minMs: number, maxMs: number) {
  const expected = `a time from ${timeText(minMs)} to ${timeText(maxMs)}, such as "100ms", "5s" or "2m"`
  return z.string({ error: `expected ${expected}` }).transform((value, context) => {
    const ms = parse(value, /^(\d+(?:\.\d+)?) ?(ms|s|m|h)$/, timeUnits)
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message: `expected ${expected}`, input: value })
    return z.NEVER
  })
}

function parse(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = form.exec(text.trim())
  const unit = units[match?.[2]?.replace('k', 'K') ?? '']
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit
}

function timeText(ms: number): string {
  if (ms >= 3_600_000) return `${ms / 3_600_000}h`
  if (ms >= 60_000) return `${ms / 60_000}m`
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`
}
