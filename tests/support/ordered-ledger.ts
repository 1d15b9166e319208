import assert from 'node:assert/strict'
import { pack, unpack } from 'msgpackr'
import type { Clock } from '../../src/base/clock.js'
import { UnavailableError } from '../../src/base/errors.js'
import { EventHub } from '../../src/state/ledger/event-hub.js'
import type { Proposer } from '../../src/state/ledger/proposer.js'
import type { CommandKind, CommandOf, OutcomeOf } from '../../src/state/views/commands.js'
import { applyCommand, emptyState, type State, toSnapshot } from '../../src/state/views/state.js'
import type { Place, StateEvents } from '../../src/state/views/view.js'

interface Ordered {
  kind: CommandKind
  command: Buffer
  place: Place
}

/** Group commands carry no bytes. */
const nowhere = { writer: 0, number: 0, position: 0 }

/** One total order of commands without a store, for several instances that see it sooner or later. */
export class OrderedLedger {
  readonly entries: Ordered[] = []
  readonly instances: Instance[] = []
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An instance that learns of others' commands `delayMs` later. */
  open(delayMs = 0): Instance {
    const instance = new Instance(this, this.#clock, this.instances.length + 1, delayMs)
    this.instances.push(instance)
    return instance
  }

  order(kind: CommandKind, command: unknown, writer: number): number {
    const position = this.entries.length
    this.entries.push({
      kind,
      command: pack(command),
      place: { position, timeMs: this.#clock.now(), writer, body: nowhere },
    })
    for (const instance of this.instances) instance.learnLater()
    return position
  }

  /** Lets all catch up and checks that they agree, byte for byte. */
  assertAgreement(): void {
    const snapshots = this.instances.map((instance) => {
      instance.catchUp()
      return pack(toSnapshot(instance.state))
    })
    for (const snapshot of snapshots) assert.deepEqual(snapshot, snapshots[0])
  }
}

export class Instance implements Proposer {
  readonly state: State = emptyState()
  readonly writer: number
  /** Cut off from the store: nothing is ordered, nothing is learnt. */
  isCut: boolean = false
  /** How many proposals of each kind it has made. */
  readonly proposed = new Map<CommandKind, number>()
  readonly #ledger: OrderedLedger
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #events = new EventHub()
  readonly #waiting = new Map<number, (outcome: unknown) => void>()
  #confirmedAtMs = 0

  constructor(ledger: OrderedLedger, clock: Clock, writer: number, delayMs: number) {
    this.#ledger = ledger
    this.#clock = clock
    this.writer = writer
    this.#delayMs = delayMs
  }

  propose<Kind extends CommandKind>(kind: Kind, command: CommandOf<Kind>): Promise<OutcomeOf<Kind>> {
    this.proposed.set(kind, (this.proposed.get(kind) ?? 0) + 1)
    if (this.isCut) return Promise.reject(new UnavailableError('cut off'))
    return new Promise((resolve) => {
      const position = this.#ledger.order(kind, command, this.writer)
      this.#waiting.set(position, resolve as (outcome: unknown) => void)
      this.catchUp()
    })
  }

  async barrier(): Promise<void> {
    await Promise.resolve()
    if (this.isCut) throw new UnavailableError('cut off')
    this.catchUp()
  }

  tailAgeMs(): number {
    if (!this.isCut && this.state.position === this.#ledger.entries.length)
      this.#confirmedAtMs = this.#clock.monotonic()
    return this.#clock.monotonic() - this.#confirmedAtMs
  }

  listen(listener: Partial<StateEvents>): () => void {
    return this.#events.add(listener)
  }

  learnLater(): void {
    this.#clock.after(this.#delayMs, () => {
      if (!this.isCut) this.catchUp()
    })
  }

  cut(): void {
    this.tailAgeMs()
    this.isCut = true
  }

  mend(): void {
    this.isCut = false
    this.learnLater()
  }

  /** Applies all that is ordered; a snapshot of commands, so that what is applied is what would be read back. */
  catchUp(): void {
    for (;;) {
      const entry = this.#ledger.entries[this.state.position]
      if (entry === undefined) break
      const { kind, place } = entry
      const command = unpack(entry.command) as CommandOf<CommandKind>
      const outcome = applyCommand(this.state, kind, command, place, this.#events)
      this.#waiting.get(place.position)?.(outcome)
      this.#waiting.delete(place.position)
    }
    this.#confirmedAtMs = this.#clock.monotonic()
  }
}
