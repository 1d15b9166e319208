import { AssertionError, assert } from '../../base/assert.js'
import type { CommandKind } from '../views/commands.js'
import { applyCommand, type State } from '../views/state.js'
import { noEvents, type ObjectRef, type StateEvents } from '../views/view.js'
import { type DecodedEntry, type Part, unpack } from './entry.js'
import type { LedgerObserver } from './observer.js'

/** What the fold tells the instance about the entries it applies. */
export interface FoldListener {
  /** A part took effect. `outcomes` has one outcome for each of its commands; `body` is where its bytes begin. */
  partApplied(part: Part, outcomes: unknown[], body: ObjectRef & { position: number }): void
  /** All parts of an entry are done with; `isEffective` if at least one took effect. */
  entryApplied(sequence: number, entry: DecodedEntry, isEffective: boolean): void
}

/**
 * Applies entries in the order of their sequence numbers, whatever order they are found in, and so holds the state.
 */
export class Fold {
  readonly state: State
  /** The sequence number of the next entry to be applied: one past the last. */
  next: number
  /** Hears what commands change. Replaced once the replay at start is over. */
  events: StateEvents = noEvents
  readonly #observer: LedgerObserver
  readonly #listener: FoldListener
  readonly #writer: number
  /** Entries found beyond the next one. Bounded by how far ahead followers and committers go. */
  readonly #ready = new Map<number, DecodedEntry>()
  #applying = false

  constructor(
    state: State,
    next: number,
    options: { listener: FoldListener; observer: LedgerObserver; writer: number },
  ) {
    this.state = state
    this.next = next
    this.#listener = options.listener
    this.#observer = options.observer
    this.#writer = options.writer
  }

  /** Whether that entry has been found already. */
  has(sequence: number): boolean {
    return sequence < this.next || this.#ready.has(sequence)
  }

  /** Takes an entry that was found at its place, once or more often, and applies all that are next in order. */
  offer(sequence: number, entry: DecodedEntry): void {
    if (this.has(sequence)) return
    this.#ready.set(sequence, entry)
    if (this.#applying) return
    this.#applying = true
    try {
      for (let ready = this.#take(); ready !== undefined; ready = this.#take()) this.#apply(ready)
    } finally {
      this.#applying = false
    }
  }

  #take(): DecodedEntry | undefined {
    const entry = this.#ready.get(this.next)
    this.#ready.delete(this.next)
    return entry
  }

  #apply(entry: DecodedEntry): void {
    const sequence = this.next
    let inlinePosition = entry.bodyPosition
    let isEffective = false
    for (const part of entry.parts) {
      const isInline = part.lanePosition === 0
      const body = isInline
        ? { writer: 0, number: sequence, position: inlinePosition }
        : { writer: part.writer, number: part.index, position: part.lanePosition }
      if (isInline) inlinePosition += part.bodyLength
      if (this.state.writers.admit(part.writer, part.index, part.timeMs)) {
        isEffective = true
        this.#applyPart(part, body)
      } else this.#observer.partVoid()
    }
    this.next = sequence + 1
    this.#observer.entryApplied(entry.writer === this.#writer, sequence)
    this.#listener.entryApplied(sequence, entry, isEffective)
  }

  #applyPart(part: Part, body: ObjectRef & { position: number }): void {
    const commands = part.plain ?? unpack(part.commands)
    assert(Array.isArray(commands) && commands.length % 3 === 0, 'a part is a list of kinds, commands and lengths')
    const outcomes: unknown[] = []
    let position = body.position
    for (let at = 0; at < commands.length; at += 3) {
      const place = {
        position: this.state.position,
        timeMs: part.timeMs,
        writer: part.writer,
        body: { writer: body.writer, number: body.number, position },
      }
      outcomes.push(applyCommand(this.state, commands[at] as CommandKind, commands[at + 1], place, this.events))
      position += commands[at + 2] as number
    }
    if (position !== body.position + part.bodyLength)
      throw new AssertionError(`part ${part.index} of writer ${part.writer} appends other bytes than it has`)
    this.#listener.partApplied(part, outcomes, body)
  }
}
