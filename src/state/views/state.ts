import { UnavailableError } from '../../base/errors.js'
import { catalogueApply } from './catalogue.js'
import type { CommandKind, CommandOf, CommandTable, OutcomeOf } from './commands.js'
import { Groups, groupApply } from './groups.js'
import { Instances, instanceApply } from './instances.js'
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
  instances: Instances
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
    instances: new Instances(),
    clock: new LedgerClock(),
  }
}

const table: ApplyTable<CommandTable> = {
  ...writerApply,
  ...ledgerClockApply,
  ...topicApply,
  ...catalogueApply,
  ...partitionLogApply,
  ...logCleaningApply,
  ...producerApply,
  ...groupApply,
  ...offsetApply,
  ...leaseApply,
  ...instanceApply,
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
  const plain = [
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
  return [...plain, ...lateParts(state)]
}

export function fromSnapshot(snapshot: unknown): State {
  const [position, writers, topics, partitions, producers, groups, offsets, leases, clock, ...late] =
    snapshot as unknown[]
  const state = {
    position: position as number,
    writers: Writers.fromSnapshot(writers),
    topics: Topics.fromSnapshot(topics),
    partitions: PartitionLogs.fromSnapshot(partitions),
    producers: Producers.fromSnapshot(producers),
    groups: Groups.fromSnapshot(groups),
    offsets: Offsets.fromSnapshot(offsets),
    leases: Leases.fromSnapshot(leases),
    instances: new Instances(),
    clock: LedgerClock.fromSnapshot(clock),
  }
  restoreLateParts(state, late)
  return state
}

/**
 * What most clusters have nothing of, and snapshots hold only where there is something: so theirs stay as they were
 * before there was such a thing, byte by byte.
 */
export function lateParts({ topics, instances }: State): unknown[] {
  if (instances.size > 0) return [topics.version, instances.toSnapshot()]
  return topics.version > 0 ? [topics.version] : []
}

export function restoreLateParts(state: State, [version = 0, instances = []]: readonly unknown[]): void {
  state.topics.version = version as number
  state.instances = Instances.fromSnapshot(instances)
}
