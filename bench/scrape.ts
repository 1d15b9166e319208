/** Reads samples of Prometheus' text format: sums those of a name whose labels are all as given. */
export type Samples = (name: string, labels?: Readonly<Record<string, string>>) => number

/** Asks a gateway for its metrics. */
export async function scrape(metricsUrl: string): Promise<Samples> {
  return samplesOf(await (await fetch(metricsUrl)).text())
}

/** Reads a text of metrics. */
export function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return (name, labels = {}) => {
    let sum = 0
    for (const line of lines) {
      const [, found, given = '', value] = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (found !== name) continue
      if (Object.entries(labels).every(([label, wanted]) => `,${given},`.includes(`,${label}="${wanted}",`)))
        sum += Number(value)
    }
    return sum
  }
}
