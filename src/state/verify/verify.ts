import type { Clock } from '../../base/clock.js'
import { readIdentity } from '../ledger/identity.js'
import { homeLedger } from '../routing.js'
import type { ObjectStore } from '../store/object-store.js'
import { type Damage, Damages, type Orphan } from './findings.js'
import { History } from './history.js'
import { checkLogs, type LogTotals } from './logs.js'
import { ObjectCheck } from './objects.js'
import { type Count, Unreferenced } from './unreferenced.js'

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

/** What was found in the order of one ledger. */
export interface VerifiedLedger {
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
}

/** What was found. */
export interface Verification {
  clusterId: string
  format: number
  /** All is as it was written. */
  isSound: boolean
  /** By their numbers. */
  ledgers: VerifiedLedger[]
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
  const identity = await readIdentity(options.store)
  if (identity === undefined) return undefined

  const damages = new Damages()
  const totals: Totals = {
    logs: { topics: 0, partitions: 0, records: 0, bytes: 0 },
    objects: noneYet(),
    ranges: 0,
    recordBytes: 0,
    collectable: noneYet(),
    waiting: noneYet(),
    orphans: [],
    orphanCount: noneYet(),
  }
  const histories: History[] = []
  for (let ledger = 0; ledger < identity.ledgers; ledger++)
    histories.push(await verifyLedger(options, ledger, identity.ledgers, damages, totals))
  await checkCatalogue(histories, damages)

  return {
    clusterId: identity.clusterId,
    format: identity.format,
    isSound: damages.count === 0,
    ledgers: histories.map((history) => ({
      firstSequence: history.base + 1,
      lastSequence: history.sequence,
      entries: history.entries,
      voidParts: history.voidParts,
      unorderedEntries: history.unordered,
      snapshots: [...history.snapshots],
    })),
    ...totals,
    damages: damages.items,
    damageCount: damages.count,
  }
}

/** What is summed up over the ledgers. */
type Totals = Pick<
  Verification,
  'logs' | 'objects' | 'ranges' | 'recordBytes' | 'collectable' | 'waiting' | 'orphans' | 'orphanCount'
>

const noneYet = (): Count => ({ objects: 0, bytes: 0 })

/** Most orphans that are listed one by one, of all ledgers together. */
const orphansMax = 1_000

/** Checks one ledger and all objects that are its own. */
async function verifyLedger(
  { store, clock, isQuick, signal, onProgress }: VerifyOptions,
  ledger: number,
  ledgers: number,
  damages: Damages,
  totals: Totals,
): Promise<History> {
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

  const { objects, bytes } = totals.objects
  const unreferenced = new Unreferenced(store, clock, history, ledgers)
  const check = new ObjectCheck({
    store,
    ledger,
    ledgers,
    history,
    damages,
    unreferenced,
    isQuick,
    signal,
    onObject: (more, moreBytes) =>
      onProgress?.({ phase: 'objects', objects: objects + more, bytes: bytes + moreBytes }),
  })
  await check.run()
  await unreferenced.finish()
  const { partitions, records, bytes: logBytes, topics } = checkLogs(history.state, damages, ledger, ledgers)

  const { logs, orphans, orphanCount } = totals
  // All ledgers have all topics.
  if (ledger === homeLedger) logs.topics = topics
  logs.partitions += partitions
  logs.records += records
  logs.bytes += logBytes
  add(totals.objects, { objects: check.objects, bytes: check.bytes })
  totals.ranges += check.ranges
  totals.recordBytes += check.recordBytes
  add(totals.collectable, unreferenced.collectable)
  add(totals.waiting, unreferenced.waiting)
  orphans.push(...unreferenced.orphans.items.slice(0, orphansMax - orphans.length))
  add(orphanCount, { objects: unreferenced.orphans.count, bytes: unreferenced.orphanBytes })
  return history
}

/** Checks that ledgers which hold the same version of the catalogue hold the same topics. */
async function checkCatalogue([home, ...others]: readonly History[], damages: Damages): Promise<void> {
  if (home === undefined || others.length === 0) return
  // It was looked at first: the others may have gone on with it.
  await home.advance()
  const { topics: known } = home.state
  for (const [i, { state }] of others.entries()) {
    const { version } = state.topics
    const report = (message: string, topic?: string) =>
      damages.add({ problem: 'contradiction', message, ...(topic === undefined ? {} : { topic }) })
    if (version > known.version)
      report(`ledger ${i + 1} holds version ${version} of the topics, and the home ledger ${known.version}`)
    if (version !== known.version) continue
    const held = state.topics
    for (const { id, name, partitionCount } of known.all())
      if (held.byId(id)?.partitionCount !== partitionCount)
        report(`ledger ${i + 1} does not hold it as the home ledger does`, name)
    for (const { id, name } of held.all())
      if (known.byId(id) === undefined) report(`ledger ${i + 1} holds it, and the home ledger does not`, name)
  }
}

function add(total: Count, more: Count): void {
  total.objects += more.objects
  total.bytes += more.bytes
}
