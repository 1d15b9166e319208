import type { Clock } from '../../base/clock.js'
import { readIdentity } from '../ledger/identity.js'
import type { ObjectStore } from '../store/object-store.js'
import { type Damage, Damages, type Orphan } from './findings.js'
import { History } from './history.js'
import { checkLogs, type LogTotals } from './logs.js'
import { ObjectCheck } from './objects.js'
import { type Count, Unreferenced } from './unreferenced.js'

/** The ledger, until there are several. */
const ledger = 0

export interface VerifyOptions {
  /** Reads that fail are repeated by it. Nothing is written. */
  store: ObjectStore
  clock: Clock
  /** Check that records are there and of the right length, but don't read them. */
  isQuick: boolean
  signal: AbortSignal
  onProgress?: (progress: VerifyProgress) => void
}

export type VerifyProgress =
  | { phase: 'entries'; entries: number }
  | { phase: 'objects'; objects: number; bytes: number }

/** What was found. */
export interface Verification {
  clusterId: string
  format: number
  /** All is as it was written. */
  isSound: boolean
  /** The entry after which the replay began, and the last one that is part of the ledger. */
  firstSequence: number
  lastSequence: number
  /** Entries replayed, and parts in them without effect by the writer-index rule. */
  entries: number
  voidParts: number
  /** Entries beyond the first free place: puts of a process that died, or that are just under way. */
  unorderedEntries: number
  /** The entries after which there is a snapshot. */
  snapshots: number[]
  logs: LogTotals
  /** All objects there are. */
  objects: Count
  /** Ranges of records that were looked at, and their size. */
  ranges: number
  recordBytes: number
  collectable: Count
  waiting: Count
  /** The first 1,000 of each; the counts are of all. */
  orphans: Orphan[]
  orphanCount: Count
  damages: Damage[]
  damageCount: number
}

/**
 * Checks everything in a store: that each object is as it was written, that all that is referred to is there, and that
 * snapshots, entries and records agree. Changes nothing, and may run while instances do. Undefined if there is no
 * cluster.
 * @throws StoreError; UnavailableError if a newer version wrote there; CorruptObjectError if even `cluster.json` is damaged
 */
export async function verifyCluster(options: VerifyOptions): Promise<Verification | undefined> {
  const { store, clock, isQuick, signal, onProgress } = options
  const identity = await readIdentity(store)
  if (identity === undefined) return undefined

  const damages = new Damages()
  const history = new History({
    store,
    clock,
    ledger,
    damages,
    signal,
    onEntry: (entries) => onProgress?.({ phase: 'entries', entries }),
  })
  await history.advance()
  await history.checkOtherSnapshots()

  const unreferenced = new Unreferenced(store, clock, history)
  const check = new ObjectCheck({
    store,
    ledger,
    history,
    damages,
    unreferenced,
    isQuick,
    signal,
    onObject: (objects, bytes) => onProgress?.({ phase: 'objects', objects, bytes }),
  })
  await check.run()
  await unreferenced.finish()
  const logs = checkLogs(history.state, damages)

  const { orphans } = unreferenced
  return {
    clusterId: identity.clusterId,
    format: identity.format,
    isSound: damages.count === 0,
    firstSequence: history.base + 1,
    lastSequence: history.sequence,
    entries: history.entries,
    voidParts: history.voidParts,
    unorderedEntries: history.unordered,
    snapshots: [...history.snapshots],
    logs,
    objects: { objects: check.objects, bytes: check.bytes },
    ranges: check.ranges,
    recordBytes: check.recordBytes,
    collectable: unreferenced.collectable,
    waiting: unreferenced.waiting,
    orphans: orphans.items,
    orphanCount: { objects: orphans.count, bytes: unreferenced.orphanBytes },
    damages: damages.items,
    damageCount: damages.count,
  }
}
