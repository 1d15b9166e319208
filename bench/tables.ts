/** Headings of the columns that `ratios` gives. */
export function ratioHead(sides: readonly string[]): string[] {
  return sides.length === 2 ? ['ratio'] : []
}

/** Ours divided by the peer's, in a list to be spread into a row; nothing unless there are two. */
export function ratios(values: readonly (number | undefined)[]): string[] {
  const [ours, peers] = values
  if (values.length !== 2) return []
  if (ours === undefined || peers === undefined || peers === 0) return ['–']
  return [`**${(ours / peers).toFixed(2)}**`]
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}

/** What so large a share of the values is not above; 0 of nothing. They are in ascending order. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** A number with three digits or so. */
export function show(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', { minimumFractionDigits: Math.min(digits, 3), maximumFractionDigits: digits })
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return `${line(head)}${line(head.map(() => '---'))}${rows.map(line).join('')}`
}
