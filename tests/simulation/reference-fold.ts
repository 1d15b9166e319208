import { messageOf } from '../../src/base/errors.js'
import { decodeEntry, type Part, unpack } from '../../src/state/ledger/entry.js'
import type { CommandKind, CommandOf } from '../../src/state/views/commands.js'
import { applyCommand, emptyState, type State } from '../../src/state/views/state.js'
import { noEvents } from '../../src/state/views/view.js'
import type { CatalogueVersions } from './catalogue-versions.js'
import type { CleaningRules } from './cleaning-rules.js'
import { CommandRules } from './command-rules.js'
import type { History } from './history.js'
import type { StoreWitness } from './upkeep-rules.js'

export interface Checks {
  history: History
  store: StoreWitness
  /** Which ledger it is, and what the home ledger has had of topics: that is folded first. */
  ledger: number
  versions: CatalogueVersions
}

/** Folds a ledger as its description says, one object after the other: nothing of the code that does it at work. */
export class ReferenceFold {
  readonly state: State
  /** The last applied entry. */
  sequence: number
  readonly #rules: CommandRules | undefined
  readonly #history: History | undefined
  readonly #lastIndexes = new Map<number, number>()
  /** Whoever is numbered below this and has no index is never heard. */
  #writersFrom = 0

  /** With somebody to tell, commands and outcomes are checked as well; from the beginning only. */
  constructor(checks: Checks | undefined, state = emptyState(), sequence = 0) {
    this.state = state
    this.sequence = sequence
    this.#history = checks?.history
    this.#rules = checks && new CommandRules(checks.history, checks.store, checks.ledger, checks.versions)
  }

  /** What log compaction did, as the rules saw it. */
  get cleaning(): CleaningRules | undefined {
    return this.#rules?.cleaning
  }

  apply(object: Buffer): void {
    this.sequence++
    const { parts, bodyPosition } = decodeEntry(object, `entry ${this.sequence}`)
    let inline = bodyPosition
    for (const part of parts) {
      const isInline = part.lanePosition === 0
      const body = isInline
        ? { writer: 0, number: this.sequence, position: inline }
        : { writer: part.writer, number: part.index, position: part.lanePosition }
      if (isInline) inline += part.bodyLength
      if (this.#takesEffect(part)) this.#applyPart(part, body)
    }
    if (inline !== object.length)
      this.#history?.violation('entry', `${this.sequence} has ${object.length} bytes, its parts end at ${inline}`)
  }

  #takesEffect({ writer, index, timeMs }: Part): boolean {
    const isAdmitted = this.state.writers.admit(writer, index, timeMs)
    if (this.#history === undefined) return isAdmitted
    const never = Number.POSITIVE_INFINITY
    const lastIndex = this.#lastIndexes.get(writer) ?? (writer < this.#writersFrom ? never : 0)
    const isNext = index === lastIndex + 1
    if (isNext !== isAdmitted)
      this.#history.violation('writer-index rule', `part ${index} of writer ${writer} in entry ${this.sequence}`)
    if (isNext) this.#lastIndexes.set(writer, index)
    return isNext
  }

  #forget({ writers }: CommandOf<'forgetWriters'>): void {
    for (const [writer, lastIndex] of writers) {
      if (this.#lastIndexes.get(writer) !== lastIndex) continue
      this.#lastIndexes.set(writer, Number.POSITIVE_INFINITY)
      this.#writersFrom = Math.max(this.#writersFrom, writer + 1)
    }
  }

  #applyPart(part: Part, body: { writer: number; number: number; position: number }): void {
    const commands = unpack(part.commands) as unknown[]
    let { position } = body
    for (let at = 0; at < commands.length; at += 3) {
      const kind = commands[at] as CommandKind
      const command = commands[at + 1] as CommandOf<CommandKind>
      const place = {
        position: this.state.position,
        timeMs: part.timeMs,
        writer: part.writer,
        body: { writer: body.writer, number: body.number, position },
      }
      try {
        this.#rules?.before(this.state, kind, command)
        const outcome = applyCommand(this.state, kind, command, place, noEvents)
        this.#rules?.after(this.state, kind, command, outcome, place)
        if (kind === 'forgetWriters') this.#forget(command as CommandOf<'forgetWriters'>)
      } catch (error) {
        this.#history?.violation('apply', `${kind} in entry ${this.sequence}: ${messageOf(error)}`)
      }
      position += commands[at + 2] as number
    }
  }
}
