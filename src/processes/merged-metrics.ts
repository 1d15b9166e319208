/** One metric of the text format: its `# HELP` and `# TYPE` lines, and the samples of all processes. */
interface Family {
  head: string[]
  samples: string[]
}

/**
 * Puts the metrics of several processes together in one text, each sample with a label `process`; a metric's samples
 * must follow each other (Prometheus' text format 0.0.4).
 */
export function mergedMetrics(texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, Family>()
  for (const [process, text] of texts) {
    let family: Family | undefined
    for (const line of text.split('\n')) {
      if (line === '') continue
      const [, keyword, name] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? []
      if (name !== undefined) {
        family = families.get(name)
        if (family === undefined) {
          family = { head: [], samples: [] }
          families.set(name, family)
        }
        if (!family.head.some((known) => known.startsWith(`# ${keyword} `))) family.head.push(line)
      } else if (!line.startsWith('#')) family?.samples.push(labelled(line, process))
    }
  }
  return [...families.values()].map(({ head, samples }) => `${[...head, ...samples].join('\n')}\n`).join('\n')
}

function labelled(sample: string, process: string): string {
  const end = sample.search(/[{ ]/)
  const label = `process="${process}"`
  const rest = sample.slice(end)
  if (!rest.startsWith('{')) return `${sample.slice(0, end)}{${label}}${rest}`
  return `${sample.slice(0, end)}{${label}${rest.startsWith('{}') ? '' : ','}${rest.slice(1)}`
}
