import { ageMutations } from './age-mutations.js'
import { cleaningMutations } from './cleaning-mutations.js'
import { ledgerMutations } from './ledger-mutations.js'
import { spreadMutations } from './spread-mutations.js'
import { upkeepMutations } from './upkeep-mutations.js'

/** A deliberate bug: edits of compiled files, each of which must match exactly once, and the worlds that show it. */
export interface Mutation {
  name: string
  worlds: readonly string[]
  /** It must be caught within so many seeds of each world. */
  seeds: number
  edits: readonly { file: string; find: string; replace: string }[]
}

/** What the simulator must be able to see. Each is a mistake that somebody could make. */
export const mutations: readonly Mutation[] = [
  ...ledgerMutations,
  ...upkeepMutations,
  ...cleaningMutations,
  ...ageMutations,
  ...spreadMutations,
]
