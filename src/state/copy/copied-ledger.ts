import type { Clock } from '../../base/clock.js'
import { CorruptObjectError } from '../../base/errors.js'
import { entriesFolder, snapshotKey } from '../ledger/keys.js'
import { encodeSnapshot } from '../ledger/snapshot-bytes.js'
import type { ObjectStore } from '../store/object-store.js'
import { Damages } from '../verify/findings.js'
import { History } from '../verify/history.js'
import type { State } from '../views/state.js'
import type { CopyTarget } from './target.js'
import { type WantedObject, wantedObjects } from './wanted.js'

/** The order of one ledger, as far as a copy has got. */
export class CopiedLedger {
  readonly number: number
  readonly damages = new Damages()
  readonly #from: ObjectStore
  readonly #target: CopyTarget
  readonly #clock: Clock
  readonly #history: History
  /** The snapshot of the source that the history began with; undefined if the entries after it are not all there. */
  #base: number | undefined

  constructor(number: number, options: { from: ObjectStore; target: CopyTarget; clock: Clock; signal: AbortSignal }) {
    const { from, target, clock, signal } = options
    this.number = number
    this.#from = from
    this.#target = target
    this.#clock = clock
    this.#history = new History({ store: from, clock, ledger: number, damages: this.damages, signal })
  }

  get state(): State {
    return this.#history.state
  }

  get sequence(): number {
    return this.#history.sequence
  }

  /** Begins with the newest snapshot, which is copied. */
  async begin(): Promise<void> {
    await this.#history.skipToNewest()
    this.#base = this.#history.base
    if (this.#base === 0) return
    const key = snapshotKey(this.number, this.#base)
    const snapshot = await this.#from.get(key)
    if (snapshot === undefined) this.#base = undefined
    else await this.#target.put(key, [snapshot.bytes])
  }

  /** Goes on to the state as it is now, or until it is `isEnough`. @throws CorruptObjectError if the order can't be followed */
  async advance(isEnough?: (state: State) => boolean): Promise<void> {
    await this.#history.advance(isEnough && (() => isEnough(this.state)))
    const broken = this.damages.items.find(({ key }) => key?.startsWith(entriesFolder(this.number)))
    if (broken !== undefined)
      throw new CorruptObjectError(
        `${this.#from.url} is damaged: ${broken.key}: ${broken.message} (see heraclitus ledger verify)`,
      )
    // It had to begin anew: some entries after the base are gone.
    if (this.#history.base !== this.#base) this.#base = undefined
  }

  /** An entry is gone that only the order needs, since a later snapshot covers it. */
  forgetBase(): void {
    this.#base = undefined
  }

  wanted(): Generator<WantedObject> {
    const { state, sequence } = this.#history
    return wantedObjects(state, this.number, (this.#base ?? sequence) + 1, sequence)
  }

  /** Copies the state. */
  async copySnapshot(): Promise<void> {
    const { state, sequence } = this.#history
    await this.#target.keepSnapshots(this.number, [sequence, this.#base ?? sequence])
    if (sequence === 0 || sequence === this.#base) return
    const { pieces } = await encodeSnapshot(state, sequence, this.#clock)
    await this.#target.put(snapshotKey(this.number, sequence), pieces)
  }
}
