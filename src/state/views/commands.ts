import type { CatalogueCommands } from './catalogue.js'
import type { GroupCommands } from './groups.js'
import type { InstanceCommands } from './instances.js'
import type { LeaseCommands } from './leases.js'
import type { LedgerClockCommands } from './ledger-clock.js'
import type { LogCleaningCommands } from './log-cleaning.js'
import type { OffsetCommands } from './offsets.js'
import type { PartitionLogCommands } from './partition-log.js'
import type { ProducerCommands } from './producers.js'
import type { TopicCommands } from './topics.js'
import type { WriterCommands } from './writers.js'

/** Every command there is: its kind, what it carries, what it comes to. */
export interface CommandTable
  extends WriterCommands,
    LedgerClockCommands,
    TopicCommands,
    CatalogueCommands,
    PartitionLogCommands,
    LogCleaningCommands,
    ProducerCommands,
    GroupCommands,
    OffsetCommands,
    LeaseCommands,
    InstanceCommands {}

export type CommandKind = keyof CommandTable
export type CommandOf<Kind extends CommandKind> = CommandTable[Kind]['command']
export type OutcomeOf<Kind extends CommandKind> = CommandTable[Kind]['outcome']
