import { type Load, type Mode, nameOf } from './loads.js'
import { type Figure, figuresOf } from './report.js'
import type { Measurement } from './rounds.js'
import { scenarios } from './scenarios/all.js'
import type { ScenarioRun } from './scenarios/report.js'
import { median, ratios, show } from './tables.js'

/** No load is begun after so long, milliseconds: with what is under way then it is two minutes at most. */
export const shortMs = 90_000

/** Each figure of ours and its ratio to the peer's, a line for each load; one short run says little more than that it works. */
export function shortSummary(measurements: readonly Measurement[], runs: readonly ScenarioRun[]): string {
  const lines: string[] = []
  for (const [load, mode] of ranIn(measurements)) {
    const found = measurements.filter((one) => one.mode === mode && nameOf(one.load) === nameOf(load))
    const shown = figuresOf(mode).map((figure) => compared(figure.title, valuesBySide(found, figure)))
    lines.push(`${nameOf(load)}, ${mode}: ${shown.join('; ')}`)
  }
  for (const { name, figures } of scenarios) {
    const found = runs.filter(({ scenario }) => scenario === name)
    if (found.length === 0) continue
    const shown = figures.map(({ key, title }) =>
      compared(
        title,
        found.map((run) => [run.side, run.figures[key] ?? null]),
      ),
    )
    lines.push(`${name}: ${shown.join('; ')}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

function ranIn(measurements: readonly Measurement[]): [Load, Mode][] {
  const found = new Map<string, [Load, Mode]>()
  for (const { load, mode } of measurements) found.set(`${nameOf(load)}, ${mode}`, [load, mode])
  return [...found.values()]
}

function valuesBySide(found: readonly Measurement[], figure: Figure): [string, number | null][] {
  return found.map((one) => [one.side, figure.of(one)])
}

function compared(title: string, values: readonly [side: string, value: number | null][]): string {
  const sides = [...new Set(values.map(([side]) => side))]
  const medians = sides.map((side) =>
    median(values.flatMap(([of, value]) => (of === side && value !== null ? value : []))),
  )
  const [ratio] = ratios(medians)
  return `${title} ${show(medians[0])}${ratio === undefined || ratio === '–' ? '' : ` (${ratio.replaceAll('*', '')} ×)`}`
}
