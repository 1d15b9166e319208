import { takeBackMemory } from '../lent-memory.js'
import { reasonOf } from '../topics.js'
import { untilQuiet } from '../usage.js'
import type { ScenarioRun } from './report.js'
import { type Scenario, type ScenarioOptions, stopAll } from './scenario.js'

export interface ScenarioPlan extends Omit<ScenarioOptions, 'onComplaint'> {
  rounds: number
  onRun(run: ScenarioRun): void
  onFailure(what: string): void
}

/** Runs a scenario on each side in turn, A B A B, after one run each that is not counted. */
export async function runScenario(scenario: Scenario, plan: ScenarioPlan): Promise<void> {
  if (scenario.isStartedAnew !== true) return runRounds(scenario, plan, 1, plan.rounds)
  for (let round = 1; round <= plan.rounds; round++) await runRounds(scenario, plan, round, round)
}

async function runRounds(scenario: Scenario, plan: ScenarioPlan, first: number, last: number): Promise<void> {
  const options: ScenarioOptions = { ...plan, onComplaint: plan.onFailure }
  const sides = await scenario.start(options)
  try {
    for (let round = first - 1; round <= last; round++) {
      const isCounted = round >= first
      for (const side of sides) {
        // What is being deleted or compiled of the run before is not this one's cost.
        for (const { server } of sides) await untilQuiet(server.pid)
        if (isCounted && scenario.writtenBytes !== undefined && !plan.isShort)
          await takeBackMemory(scenario.writtenBytes)
        try {
          const figures = await scenario.run(side, { ...options, isShort: plan.isShort || !isCounted })
          if (isCounted) plan.onRun({ scenario: scenario.name, side: side.name, figures })
        } catch (error) {
          plan.onFailure(`${side.name}, ${scenario.name}, round ${round}: ${reasonOf(error)}`)
        }
      }
    }
  } finally {
    await stopAll(sides)
  }
}
