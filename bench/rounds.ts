import { randomBytes } from 'node:crypto'
import type { Generator, LoadResult } from './generators.js'
import { takeBackMemory } from './lent-memory.js'
import { type Load, type Mode, nameOf, recordsOf } from './loads.js'
import type { Server } from './servers/server.js'
import { reasonOf, withTopic } from './topics.js'
import { measured } from './usage.js'

/** More than one run writes. */
const writtenMost = 2 * 2 ** 30

/** One of the servers compared, by its name in the tables. */
export interface Side {
  name: string
  server: Server
}

/** One run of one load on one server. */
export interface Measurement extends LoadResult {
  load: Load
  mode: Mode
  side: string
  serverCpuSeconds: number
  /** The highest seen during the run. */
  serverRssMib: number
}

/** Wraps a run, say in a profile of the server. */
export type Around = <T>(load: Load, mode: Mode, work: () => Promise<T>) => Promise<T>

export interface Rounds {
  load: Load
  sides: readonly Side[]
  generator: Generator
  rounds: number
  records?: number | undefined
  roundTrips?: number | undefined
  /** A look at whether it works: nothing is made even first. */
  isShort: boolean
  around?: Around | undefined
  onMeasurement(measurement: Measurement): void
  onFailure(what: string): void
}

/** To consume what was produced takes half a second, for which CPU time, counted in ticks, says little: it is done so often. */
const consumptions = 4

/**
 * Runs a load on each side in turn, A B A B, every time on a topic of its own; once before at a quarter of the
 * records, which is not counted, so that just-in-time compilers have seen it.
 */
export async function runRounds(plan: Rounds): Promise<void> {
  for (let round = 0; round <= plan.rounds; round++) {
    for (const side of plan.sides) {
      try {
        await runOnce(plan, side, round === 0)
      } catch (error) {
        plan.onFailure(`${side.name}, ${nameOf(plan.load)}, round ${round}: ${reasonOf(error)}`)
      }
    }
  }
}

async function runOnce(plan: Rounds, { name, server }: Side, isWarmUp: boolean): Promise<void> {
  const { load } = plan
  const topic = `bench-${randomBytes(6).toString('hex')}`
  const run = randomBytes(7).toString('hex')
  const recordsIn = (mode: Mode) => {
    const asked = mode === 'round-trip' ? plan.roundTrips : mode === 'paced' ? undefined : plan.records
    const records = asked ?? recordsOf(load, mode)
    return isWarmUp ? Math.ceil(records / 4) : records
  }
  const { partitions, durability } = load
  const onComplaint = (what: string) => plan.onFailure(`${name}: ${what}`)
  if (!plan.isShort) await takeBackMemory(writtenMost)
  await withTopic(server, topic, { partitions, durability, onComplaint }, async () => {
    let produced: LoadResult | undefined
    // Who only consumes needs records all the same.
    const isFilledFirst = load.modes.includes('consume') && !load.modes.includes('produce')
    for (const mode of isFilledFirst ? (['produce', ...load.modes] as const) : load.modes) {
      const asked = { load, mode, bootstrap: server.bootstrap, topic, records: recordsIn(mode), run }
      const isCounted = !isWarmUp && load.modes.includes(mode)
      const times = mode === 'consume' && !plan.isShort ? consumptions : 1
      const work = () => measured(server.pid, () => repeated(times, () => plan.generator(asked)))
      const { result, cpuSeconds, rssMib } =
        isCounted && plan.around ? await plan.around(load, mode, work) : await work()
      if (mode === 'produce') produced = result
      if (mode === 'consume' && produced) compare(produced, result)
      if (isCounted)
        plan.onMeasurement({ ...result, load, mode, side: name, serverCpuSeconds: cpuSeconds, serverRssMib: rssMib })
    }
  })
}

/** Does a run several times, one after the other, and gives all of them as one. */
async function repeated(times: number, run: () => Promise<LoadResult>): Promise<LoadResult> {
  const all = await run()
  for (let done = 1; done < times; done++) {
    const one = await run()
    if (one.checksum !== all.checksum) throw new Error(`checksum ${one.checksum} consumed, ${all.checksum} before`)
    all.records += one.records
    all.seconds += one.seconds
    all.disorder += one.disorder
    if (all.cpuSeconds !== null) all.cpuSeconds += one.cpuSeconds ?? 0
  }
  return all
}

/** Consumed is what was produced, and in order where the producer promised it. */
function compare(produced: LoadResult, consumed: LoadResult): void {
  if (consumed.checksum !== produced.checksum)
    throw new Error(`checksum ${consumed.checksum} consumed, ${produced.checksum} produced`)
  if (produced.idempotent && consumed.disorder > 0) throw new Error(`${consumed.disorder} records out of order`)
}
