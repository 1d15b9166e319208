/** Milliseconds counted in steps of about 5 %, so that any number of them takes the same little memory. */
export class Latencies {
  readonly #counts = new Map<number, number>()
  #total = 0

  add(ms: number): void {
    const step = Math.round(Math.log(Math.max(1, ms)) / Math.log(stepFactor))
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1)
    this.#total++
  }

  /** The time that this share (0 to 1) did not exceed, milliseconds; 0 if there was nothing. */
  quantile(share: number): number {
    let left = this.#total * share
    for (const step of [...this.#counts.keys()].sort((a, b) => a - b)) {
      left -= this.#counts.get(step) ?? 0
      if (left <= 0) return Math.round(stepFactor ** step)
    }
    return 0
  }
}
const stepFactor = 1.05

/** Names and values in two columns. */
export function columns(rows: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
