import { assert } from '../../base/assert.js'
import type { Slices } from './capture.js'
import { Leases } from './leases.js'
import { LedgerClock } from './ledger-clock.js'
import { Producers } from './producers.js'
import { emptyState, lateParts, restoreLateParts, type State } from './state.js'
import { Writers } from './writers.js'

/**
 * The state in pieces that are small enough to be encoded one by one: a head, and of each view that may be large a
 * list of pieces, in the order of their sections here.
 */
const sections = ['topics', 'partitions', 'groups', 'offsets'] as const
export type Section = (typeof sections)[number]

/** What is small: the number of writers that are there, of pipelines. */
export function headOf(state: State): unknown {
  const { position, writers, partitions, producers, leases, clock } = state
  return [
    position,
    writers.toSnapshot(),
    partitions.segmentsFrom,
    producers.toSnapshot(),
    leases.toSnapshot(),
    clock.toSnapshot(),
    ...lateParts(state),
  ]
}

/** Begins to take the rest, as it is now. Each is to be ended. */
export function captureState(state: State): { section: Section; slices: Slices }[] {
  return sections.map((section) => ({ section, slices: state[section].capture() }))
}

/** The state with its head alone. Before format 5 that had no clock. */
export function stateOfHead(head: unknown): State {
  const [position, writers, segmentsFrom, producers, leases, clock, ...late] = head as unknown[]
  const state = emptyState()
  state.position = position as number
  state.writers = Writers.fromSnapshot(writers)
  state.partitions.segmentsFrom = segmentsFrom as number
  state.producers = Producers.fromSnapshot(producers)
  state.leases = Leases.fromSnapshot(leases)
  state.clock = LedgerClock.fromSnapshot(clock)
  restoreLateParts(state, late)
  return state
}

/** Takes back pieces of a section; in the order in which they were given. */
export function restorePieces(state: State, section: string, pieces: readonly unknown[]): void {
  const known = sections.find((each) => each === section)
  assert(known !== undefined, `a snapshot has no section '${section}'`)
  for (const piece of pieces) state[known].restore(piece)
}
