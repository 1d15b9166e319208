import type { CommandKind, CommandOf, OutcomeOf } from '../views/commands.js'
import type { State } from '../views/state.js'
import type { StateEvents } from '../views/view.js'

/** The ledger as those see it who propose commands and read the state. */
export interface Proposer {
  /** The state after the last applied command. Read only. */
  readonly state: State
  /** This process's writer number. */
  readonly writer: number
  /**
   * Proposes a command; resolves with its outcome once this instance has applied it. Proposals of one instance
   * keep the order in which they were made.
   * @throws UnavailableError when the instance can't reach the store, or is closing: the outcome is then unknown.
   */
  propose<Kind extends CommandKind>(kind: Kind, command: CommandOf<Kind>): Promise<OutcomeOf<Kind>>
  /**
   * Resolves when everything that anybody was acknowledged before the call is applied here.
   * @throws UnavailableError when the tail can't be confirmed.
   */
  barrier(): Promise<void>
  /** Milliseconds of the monotonic clock since this instance last knew that it had applied everything there was. */
  tailAgeMs(): number
  /** Adds a listener for what applied commands change. Returns how to remove it. */
  listen(listener: Partial<StateEvents>): () => void
}
