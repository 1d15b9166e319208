import type { Clock } from '../../base/clock.js'
import type { State } from '../views/state.js'

/** Ranges looked at before others get their turn on the event loop. */
const rangesAtOnce = 50_000

/** The objects that hold records of some partition. */
export interface References {
  has(writer: number, number: number): boolean
}

/**
 * Which objects the state refers to, but for entries of the ledger after `lastEntry`. The state goes on changing
 * meanwhile; an object that nothing refers to when this begins, and nothing can come to refer to, is not among them.
 */
export async function referencesOf(state: State, lastEntry: number, clock: Clock): Promise<References> {
  const byWriter = new Map<number, Set<number>>()
  let looked = 0
  for (const topic of [...state.topics.all()])
    for (const { ranges } of state.partitions.ofTopic(topic.id)) {
      for (let index = 0; index < ranges.length; index++) {
        const writer = ranges.writerAt(index)
        const number = ranges.numberAt(index)
        if (writer === 0 && number > lastEntry) continue
        const numbers = byWriter.get(writer)
        if (numbers === undefined) byWriter.set(writer, new Set([number]))
        else numbers.add(number)
      }
      looked += ranges.length + 100
      if (looked < rangesAtOnce) continue
      looked = 0
      await clock.sleep(0)
    }
  return { has: (writer, number) => byWriter.get(writer)?.has(number) ?? false }
}
