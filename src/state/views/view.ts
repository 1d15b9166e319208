import type { State } from './state.js'

/**
 * The contract of a view: state that is folded from the ledger, command by command.
 *
 * Each view has one file with, in this order: its state (a class), its commands (a union on `kind`, plain data that
 * msgpack can carry), their outcomes, `apply…` for each command, and its snapshot form (`toSnapshot` gives plain
 * data, `fromSnapshot` takes it back).
 *
 * `apply` is pure and synchronous: no clock, no randomness, no I/O, nothing but the state, the command and its
 * `Place`. Ids and times come in the command or the place. So all instances that applied the same prefix hold the
 * same state, and their snapshots are equal byte by byte: iterate only over Maps, Sets and arrays, whose order is
 * part of the state and survives a snapshot.
 *
 * A command is an intent; whether it still holds is decided here, when its place in the order is known. A refusal
 * is an outcome (a Kafka error code), never an exception.
 */

/** Where and when a command stands in the ledger's order. */
export interface Place {
  /** The command's number in the total order: strictly increasing, the same on every instance. */
  position: number
  /** The wall clock of the writer that proposed it, milliseconds since the epoch. Not monotonic over writers. */
  timeMs: number
  /** The writer number of the proposing process. */
  writer: number
  /** Where the record batches lie that the command appends. */
  body: BodyPlace
}

/**
 * The object that holds bytes, by two numbers, so that a range of a log costs no string: `writer` 0 means the entry
 * number `number` of the ledger; > 0 the object `number` of that writer's lane; < 0 segment `number` of writer
 * `-writer`.
 */
export interface ObjectRef {
  writer: number
  number: number
}

export interface BodyPlace extends ObjectRef {
  /** Where the command's first byte stands in the object. */
  position: number
}

/**
 * What an instance hears of while commands are applied, to wake what waits on it. Listeners read the state as it
 * is at that moment and change nothing. They are called in the order of the ledger; during the replay at start
 * nobody listens.
 */
export interface StateEvents {
  /** Records became readable, or the log start moved. */
  partitionChanged(topicId: string, partition: number): void
  /** A topic was created, deleted, or got more partitions. */
  topicChanged(name: string): void
  /** A group's rebalance reached the end of its join phase: its members now have the new generation. */
  joinCompleted(groupId: string): void
  /** The leader's assignment arrived: the group is stable. */
  syncCompleted(groupId: string): void
  /** Members, phase or deadlines of a group changed in any other way, or the group is gone. */
  groupChanged(groupId: string): void
  /** A member is no longer in its group under this id; parked requests of it are to be answered with `errorCode`. */
  memberRemoved(groupId: string, memberId: string, errorCode: number): void
  /** A lease has another holder, or none. */
  leaseChanged(name: string): void
  /** An instance announced itself, or is gone. */
  instanceChanged(writer: number): void
}

/**
 * What a view does with each of its commands: `Table` maps a command's kind to its command and its outcome.
 * The outcome is what the proposer is told once the command has its place; it is computed on every instance.
 */
export type ApplyTable<Table extends Record<keyof Table, { command: unknown; outcome: unknown }>> = {
  [Kind in keyof Table]: (
    state: State,
    command: Table[Kind]['command'],
    place: Place,
    events: StateEvents,
  ) => Table[Kind]['outcome']
}

/** Hears nothing. */
export const noEvents: StateEvents = {
  partitionChanged() {},
  topicChanged() {},
  joinCompleted() {},
  syncCompleted() {},
  groupChanged() {},
  memberRemoved() {},
  leaseChanged() {},
  instanceChanged() {},
}
