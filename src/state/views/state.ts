import { UnavailableError } from '../../base/errors.js'
import type { CommandKind, CommandOf, CommandTable, OutcomeOf } from './commands.js'
import { Groups, groupApply } from './groups.js'
import { Leases, leaseApply } from './leases.js'
import { LedgerClock, ledgerClockApply } from './ledger-clock.js'
import { logCleaningApply } from './log-cleaning.js'
import { Offsets, offsetApply } from './offsets.js'
import { PartitionLogs, partitionLogApply } from './partition-log.js'
import { Producers, producerApply } from './producers.js'
import { Topics, topicApply } from './topics.js'
import type { ApplyTable, Place, StateEvents } from './view.js'
import { Writers, writerApply } from './writers.js'

/** Everything that is true, folded from the ledger. */
export interface State {
  /** Number of commands applied so far: the next command's `Place.position`. */
  position: number
  writers: Writers
  topics: Topics
  partitions: PartitionLogs
  producers: Producers
  groups: Groups
  offsets: Offsets
  leases: Leases
  clock: LedgerClock
}

export function emptyState(): State {
  return {
    position: 0,
    writers: new Writers(),
    topics: new Topics(),
    partitions: new PartitionLogs(),
    producers: new Producers(),
    groups: new Groups(),
    offsets: new Offsets(),
    leases: new Leases(),
    clock: new LedgerClock(),
  }
}

const table: ApplyTable<CommandTable> = {
  ...writerApply,
  ...ledgerClockApply,
  ...topicApply,
  ...partitionLogApply,
  ...logCleaningApply,
  ...producerApply,
  ...groupApply,
  ...offsetApply,
  ...leaseApply,
}

/**
 * Applies one command.
 * @throws UnavailableError for a kind of command that this code does not know: a newer instance wrote it, and to skip
 * it would make this instance's state differ from the others'.
 */
export function applyCommand<Kind extends CommandKind>(
  state: State,
  kind: Kind,
  command: CommandOf<Kind>,
  place: Place,
  events: StateEvents,
): OutcomeOf<Kind> {
  if (!Object.hasOwn(table, kind))
    throw new UnavailableError(
      `the ledger holds a command '${kind}' that this version does not know: replace it by a newer one`,
    )
  state.position = place.position + 1
  return table[kind](state, command, place, events)
}

/** The state as plain data. Equal states give equal bytes when packed. */
export function toSnapshot(state: State): unknown {
  return [
    state.position,
    state.writers.toSnapshot(),
    state.topics.toSnapshot(),
    state.partitions.toSnapshot(),
    state.producers.toSnapshot(),
    state.groups.toSnapshot(),
    state.offsets.toSnapshot(),
    state.leases.toSnapshot(),
    state.clock.toSnapshot(),
  ]
}

export function fromSnapshot(snapshot: unknown): State {
  const [position, writers, topics, partitions, producers, groups, offsets, leases, clock] = snapshot as unknown[]
  return {
    position: position as number,
    writers: Writers.fromSnapshot(writers),
    topics: Topics.fromSnapshot(topics),
    partitions: PartitionLogs.fromSnapshot(partitions),
    producers: Producers.fromSnapshot(producers),
    groups: Groups.fromSnapshot(groups),
    offsets: Offsets.fromSnapshot(offsets),
    leases: Leases.fromSnapshot(leases),
    clock: LedgerClock.fromSnapshot(clock),
  }
}
