import type { Part } from './entry.js'
import type { PartContent } from './part-builder.js'

/** A part that has not taken effect yet. Its content is fixed when it is made, wherever and how often it is stored. */
export interface PendingPart {
  part: Part
  content: PartContent
  /** When it was made, or last put into the ledger for want of a sequencer (monotonic). */
  since: number
  /** The place at which it is being stored, or was stored and not yet applied; 0 while it has none. */
  sequence: number
  /** Whether it is in our lane, where a sequencer finds it. */
  lane: 'no' | 'storing' | 'stored'
  /** Where its body begins in the lane's object. */
  lanePosition: number
}

/** An entry of ours whose place has not been applied yet. */
export interface Placement {
  own: PendingPart[]
  foreign: Part[]
  /** The store has answered: what stands there, ours or another's, is to be read or applied. */
  isAnswered: boolean
}
