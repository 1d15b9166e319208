import { appendFileSync, readFileSync } from 'node:fs'
import { nameOf } from './loads.js'
import type { MicroRate } from './micro.js'
import type { Measurement } from './rounds.js'
import type { ScenarioRun } from './scenarios/report.js'
import type { StartUp } from './start-up.js'

/** One thing that was found out; a line of `--json`. */
export type Finding =
  | { kind: 'start-up'; side: string; startUp: StartUp }
  | { kind: 'load'; measurement: Measurement }
  | { kind: 'scenario'; run: ScenarioRun }
  | { kind: 'micro'; rate: MicroRate }
  | { kind: 'failure'; what: string }

/** Everything that was found out, in this run or in earlier ones. */
export class Findings {
  readonly all: Finding[] = []
  readonly #file: string | undefined

  /** Each finding is appended to the file, too. */
  constructor(file?: string) {
    this.#file = file
  }

  add(finding: Finding): void {
    this.all.push(finding)
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(finding)}\n`)
  }

  /** Adds what earlier runs wrote to a file. */
  read(file: string): void {
    for (const line of readFileSync(file, 'utf8').split('\n'))
      if (line !== '') this.all.push(JSON.parse(line) as Finding)
  }

  get measurements(): Measurement[] {
    return this.all.flatMap((one) => (one.kind === 'load' ? one.measurement : []))
  }

  get scenarioRuns(): ScenarioRun[] {
    return this.all.flatMap((one) => (one.kind === 'scenario' ? one.run : []))
  }

  get microRates(): MicroRate[] {
    return this.all.flatMap((one) => (one.kind === 'micro' ? one.rate : []))
  }

  /** Runs of what was run least often on any side. */
  get rounds(): number {
    const runs = new Map<string, number>()
    for (const { load, mode, side } of this.measurements) count(runs, `${nameOf(load)}, ${mode}, ${side}`)
    for (const { scenario, side } of this.scenarioRuns) count(runs, `${scenario}, ${side}`)
    return runs.size === 0 ? 0 : Math.min(...runs.values())
  }

  get failures(): string[] {
    return this.all.flatMap((one) => (one.kind === 'failure' ? one.what : []))
  }

  get startUps(): Map<string, StartUp[]> {
    const found = new Map<string, StartUp[]>()
    for (const one of this.all)
      if (one.kind === 'start-up') found.set(one.side, [...(found.get(one.side) ?? []), one.startUp])
    return found
  }
}

function count(runs: Map<string, number>, what: string): void {
  runs.set(what, (runs.get(what) ?? 0) + 1)
}
