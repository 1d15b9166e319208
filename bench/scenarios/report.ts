import { median, ratioHead, ratios, show, table } from '../tables.js'
import { scenarios } from './all.js'
import type { Figures, Scenario, ScenarioFigure } from './scenario.js'

/** One run of a scenario on one side. */
export interface ScenarioRun {
  scenario: string
  side: string
  figures: Figures
}

/** A section for each scenario that ran: medians, least and most, ratios; Markdown. */
export function scenarioSections(runs: readonly ScenarioRun[]): string {
  const ran = scenarios.filter(({ name }) => runs.some(({ scenario }) => scenario === name))
  return ran
    .map((scenario) =>
      sectionOf(
        scenario,
        runs.filter((run) => run.scenario === scenario.name),
      ),
    )
    .join('\n')
}

function sectionOf({ name, about, figures, conclude }: Scenario, runs: readonly ScenarioRun[]): string {
  const sides = [...new Set(runs.map(({ side }) => side))]
  const rows = figures.map(({ key, title, isBetter }) => {
    const all = sides.map((side) => valuesOf(runs, key, side))
    return [
      title,
      ...all.map(spread),
      ...(isBetter === 'neither' ? ratioHead(sides).map(() => '–') : ratios(all.map(median))),
    ]
  })
  const medians = new Map(sides.map((side) => [side, mediansOf(figures, runs, side)]))
  const conclusion = conclude === undefined ? '' : `\n${conclude(medians)}\n`
  return `## ${name}\n\n${about}\n\n${table(['least / median / most', ...sides, ...ratioHead(sides)], rows)}${conclusion}`
}

/** One run in a line, for who watches. */
export function lineOfRun({ scenario, side, figures }: ScenarioRun): string {
  const known = scenarios.find(({ name }) => name === scenario)?.figures ?? []
  const shown = known.flatMap(({ key, title }) => {
    const value = figures[key]
    return typeof value === 'number' ? [`${title} ${show(value)}`] : []
  })
  return `${scenario}, ${side}: ${shown.join('; ')}`
}

function mediansOf(figures: readonly ScenarioFigure[], runs: readonly ScenarioRun[], side: string): Figures {
  return Object.fromEntries(figures.map(({ key }) => [key, median(valuesOf(runs, key, side)) ?? null]))
}

function valuesOf(runs: readonly ScenarioRun[], key: string, side: string): number[] {
  return runs.filter((run) => run.side === side).flatMap(({ figures }) => figures[key] ?? [])
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '–'
  return [Math.min(...values), median(values), Math.max(...values)].map(show).join(' / ')
}
