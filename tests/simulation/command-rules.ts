import { ErrorCode } from '../../src/protocol/error-codes.js'
import type { AppendOutcome, TopicId } from '../../src/state/cluster.js'
import type { CommandKind, CommandOf, OutcomeOf } from '../../src/state/views/commands.js'
import type { AppendCommand } from '../../src/state/views/partition-log.js'
import { batchStride } from '../../src/state/views/partition-log.js'
import type { State } from '../../src/state/views/state.js'
import type { Place } from '../../src/state/views/view.js'
import type { CatalogueVersions } from './catalogue-versions.js'
import { CleaningRules } from './cleaning-rules.js'
import { ClockRules } from './clock-rules.js'
import type { History } from './history.js'
import { type StoreWitness, UpkeepRules } from './upkeep-rules.js'

interface LeaseModel {
  term: number
  holder: number | null
  renewedAt: number
}

type Rules = {
  [Kind in CommandKind]?: {
    before?(state: State, command: CommandOf<Kind>): void
    after?(state: State, command: CommandOf<Kind>, outcome: OutcomeOf<Kind>, place: Place): void
  }
}

/**
 * What each command may come to, said a second time and in another way than the views say it. Sees every command that
 * takes effect, in order.
 */
export class CommandRules {
  readonly #history: History
  /** Where each member gave its last sign of life. */
  readonly #signs = new Map<string, number>()
  readonly #leases = new Map<string, LeaseModel>()
  readonly #ends = new Map<string, number>()
  /** Where each batch of an idempotent producer stands, by its first sequence; and which sequence is next. */
  readonly #batches = new Map<string, number>()
  readonly #nextSequences = new Map<string, number>()
  #producerIdMax = -1
  #generationBefore: number | undefined
  readonly #rules: Rules
  readonly cleaning: CleaningRules

  /** @param versions what the home ledger, folded before the others, has had of topics */
  constructor(history: History, store: StoreWitness, ledger: number, versions: CatalogueVersions) {
    this.#history = history
    const upkeep = new UpkeepRules(history, store, ledger)
    const cleaning = new CleaningRules(history, store, ledger)
    this.cleaning = cleaning
    const clock = new ClockRules(history, () => store.storedAtMs())
    const forget = (id: TopicId) => {
      upkeep.deletedTopic(id)
      cleaning.deletedTopic(id)
      for (const log of this.#ends.keys()) if (log.startsWith(id)) this.#ends.delete(log)
    }
    const note = { after: (state: State) => versions.note(state) }
    this.#rules = {
      append: {
        after: (state, command, outcome, place) => {
          this.#append(command, outcome)
          upkeep.appended(command, outcome, place)
          cleaning.appended(state, command, outcome, place)
        },
      },
      tick: { before: (state) => clock.before(state), after: (state, command) => clock.ticked(state, command) },
      deleteRecords: {
        after: (state, command, _outcome, place) => {
          upkeep.deletedRecords(state, command, place)
          cleaning.deleted(state, command)
        },
      },
      cleanRanges: {
        before: (state, command) => cleaning.beforeCleaning(state, command),
        after: (state, command, { isReplaced }, place) => cleaning.cleaned(state, command, isReplaced, place),
      },
      markCleaned: { after: (state, command, { isMarked }) => cleaning.marked(state, command, isMarked) },
      replaceRanges: {
        before: (state, command) => upkeep.beforeReplacement(state, command),
        after: (state, command, { isReplaced }, place) => upkeep.replaced(state, command, isReplaced, place),
      },
      fenceSegments: { after: (state, command) => upkeep.fenced(state, command) },
      createTopic: note,
      createPartitions: note,
      deleteTopic: {
        after: (state, { id }) => {
          forget(id)
          versions.note(state)
        },
      },
      followCatalogue: {
        after: (state, { dropped }, { version }) => {
          const problem = versions.problemOf(state)
          if (problem !== undefined) this.#violation('catalogue', `ledger ${ledger} at version ${version}: ${problem}`)
          for (const id of dropped) if (state.topics.byId(id) === undefined) forget(id)
        },
      },
      allocateProducerId: {
        after: (_state, _command, { producerId }) => {
          if (producerId <= this.#producerIdMax) this.#violation('producer ids', `${producerId} was given twice`)
          this.#producerIdMax = Math.max(this.#producerIdMax, producerId)
        },
      },
      touchMembers: {
        before: (state, { members }) => {
          for (const [groupId, memberId] of members) this.#sign(groupId, memberId, state.position)
        },
      },
      syncGroup: {
        after: (_state, { groupId, memberId }, outcome, place) => {
          if (outcome === 'parked' || outcome.errorCode === ErrorCode.NONE)
            this.#sign(groupId, memberId, place.position)
        },
      },
      expireMember: {
        after: (_state, { groupId, memberId, armedAt }, { isEffective }) => {
          const sign = this.#signs.get(`${groupId}/${memberId}`) ?? -1
          if (isEffective && sign > armedAt)
            this.#violation(
              'expired member',
              `${memberId} lived at ${sign}, was expired for its silence since ${armedAt}`,
            )
        },
      },
      commitOffsets: {
        after: (_state, { lease }, { errorCode }) => {
          if (errorCode !== ErrorCode.NONE || lease === null) return
          const held = this.#leases.get(lease.name)
          if (held?.term !== lease.term || held.holder === null)
            this.#violation('stale lease', `${lease.name}: a commit of term ${lease.term} in ${held?.term}`)
        },
      },
      commitOffsetsAfter: {
        before: (state, { groupId }) => {
          this.#generationBefore = state.groups.byId(groupId)?.generationId
        },
        after: (_state, { groupId, memberId, generationId }, { errorCode }, place) => {
          if (errorCode !== ErrorCode.NONE) return
          if (memberId !== '') this.#sign(groupId, memberId, place.position)
          if (generationId >= 0 && generationId !== this.#generationBefore)
            this.#violation('stale generation', `${groupId}: a commit of ${generationId} in ${this.#generationBefore}`)
        },
      },
      acquireLease: {
        after: (_state, { name, seenPosition }, { term }, { writer, position }) => {
          if (term === 0) return
          const lease = this.#leases.get(name)
          if (lease !== undefined && lease.holder !== null && lease.renewedAt !== seenPosition)
            this.#violation('two lease holders', `${name}: taken at ${position}, though renewed at ${lease.renewedAt}`)
          if (term !== (lease?.term ?? 0) + 1) this.#violation('two lease holders', `${name}: term ${term} again`)
          this.#leases.set(name, { term, holder: writer, renewedAt: position })
        },
      },
      renewLeases: {
        after: (_state, { leases }, { isRenewed }, { writer, position }) => {
          leases.forEach(([name, term], i) => {
            if (!isRenewed[i]) return
            const lease = this.#leases.get(name)
            if (lease?.term !== term || lease.holder !== writer)
              this.#violation('two lease holders', `${name}: term ${term} was renewed in ${lease?.term}`)
            if (lease !== undefined) lease.renewedAt = position
          })
        },
      },
      releaseLease: {
        after: (_state, { name, term }, { isReleased }, { writer }) => {
          if (!isReleased) return
          const lease = this.#leases.get(name)
          if (lease?.term !== term || lease.holder !== writer)
            this.#violation('two lease holders', `${name}: term ${term} was released in ${lease?.term}`)
          if (lease !== undefined) lease.holder = null
        },
      },
    }
  }

  before(state: State, kind: CommandKind, command: CommandOf<CommandKind>): void {
    const rule = this.#rules[kind] as { before?(state: State, command: unknown): void } | undefined
    rule?.before?.(state, command)
  }

  after(state: State, kind: CommandKind, command: unknown, outcome: unknown, place: Place): void {
    const rule = this.#rules[kind] as
      | { after?(state: State, command: unknown, outcome: unknown, place: Place): void }
      | undefined
    rule?.after?.(state, command, outcome, place)
  }

  /** Offsets are dense, and a batch of an idempotent producer has one place, after those before it. */
  #append({ topics, batches }: AppendCommand, outcomes: readonly AppendOutcome[]): void {
    for (let i = 0; i * batchStride < batches.length; i++) {
      const at = i * batchStride
      const [topic = 0, partition, , recordCount = 0, , producerId = -1, epoch, baseSequence = -1] = batches.slice(at)
      const { errorCode, baseOffset } = outcomes[i] as AppendOutcome
      if (errorCode !== ErrorCode.NONE) continue
      const log = `${topics[topic]}-${partition}`
      const producer = `${log}/${producerId}/${epoch}`
      const known = producerId < 0 ? undefined : this.#batches.get(`${producer}/${baseSequence}`)
      if (known !== undefined) {
        if (known !== baseOffset)
          this.#violation('duplicate', `batch ${baseSequence} of ${producer} stands at ${known} and at ${baseOffset}`)
        continue
      }
      const end = this.#ends.get(log) ?? 0
      if (baseOffset !== end) this.#violation('gap', `${log}: ${baseOffset} was given after ${end - 1}`)
      this.#ends.set(log, baseOffset + recordCount)
      if (producerId < 0) continue
      const next = this.#nextSequences.get(producer) ?? 0
      if (baseSequence !== next)
        this.#violation('sequence', `of ${producer}: ${baseSequence} was accepted instead of ${next}`)
      this.#nextSequences.set(producer, baseSequence + recordCount)
      this.#batches.set(`${producer}/${baseSequence}`, baseOffset)
    }
  }

  #sign(groupId: string, memberId: string, position: number): void {
    this.#signs.set(`${groupId}/${memberId}`, position)
  }

  #violation(checker: string, text: string): void {
    this.#history.violation(checker, text)
  }
}
