import type { Log } from '../../base/log.js'
import { type DecodedEntry, unpack } from '../../state/ledger/entry.js'
import { Fold } from '../../state/ledger/fold.js'
import { readIdentity } from '../../state/ledger/identity.js'
import { entriesFolder, entryKey, numberOfKey } from '../../state/ledger/keys.js'
import { noLedgerObserver } from '../../state/ledger/observer.js'
import { loadSnapshot } from '../../state/ledger/snapshot.js'
import { readStoredEntry, type StoredEntry } from '../../state/ledger/stored-entry.js'
import type { ObjectStore } from '../../state/store/object-store.js'
import type { State } from '../../state/views/state.js'

/** One entry as an operator wants to see it. */
export interface EntrySummary {
  sequence: number
  /** Size of the object, bytes. */
  bytes: number
  /** The writer number of the process that put it. */
  writer: number
  timeMs: number
  /** How often each kind of command occurs. */
  commands: Record<string, number>
  /** Bytes of record batches. */
  recordBytes: number
  /** Parts without effect, by the writer-index rule. */
  voidParts: number
}

/** What a store holds. */
export interface Inspection {
  clusterId: string
  format: number
  /** How many ledgers there are, and which one this is. */
  ledgers: number
  ledger: number
  /** The entry that the newest usable snapshot covers; 0 if there is none. */
  snapshotSequence: number
  /** The first entry that is still there, and the last; 0 if there is none. */
  firstSequence: number
  lastSequence: number
  /** The state after the last entry. */
  state: State
  /** The newest entries, oldest first. */
  entries: EntrySummary[]
}

/** Entries read at once. */
const parallelReads = 16

/**
 * Looks into one ledger of a store without changing it: replays it from the newest snapshot. Undefined if there is no
 * cluster, or no such ledger in it.
 * @param entriesMax how many of the newest entries to list
 * @throws StoreError, CorruptObjectError
 */
export async function inspectLedger(
  store: ObjectStore,
  ledger: number,
  entriesMax: number,
  log: Log,
): Promise<Inspection | undefined> {
  const identity = await readIdentity(store)
  if (identity === undefined || ledger >= identity.ledgers) return undefined
  const { clusterId, format, ledgers } = identity

  const { state, next } = await loadSnapshot(store, ledger, log)
  let voidParts = 0
  const fold = new Fold(state, next, {
    observer: { ...noLedgerObserver, partVoid: () => voidParts++ },
    listener: { partApplied() {}, entryApplied() {} },
    writer: 0,
  })

  const summaries: EntrySummary[] = []
  for await (const { sequence, size, entry } of entriesFrom(store, ledger, Math.max(1, next - entriesMax))) {
    voidParts = 0
    fold.offer(sequence, entry)
    summaries.push(summarize(sequence, size, entry, voidParts))
    if (summaries.length > entriesMax) summaries.shift()
  }
  let firstSequence = 0
  for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { limit: 1 })) firstSequence = numberOfKey(key)
  return {
    clusterId,
    format,
    ledgers,
    ledger,
    snapshotSequence: next - 1,
    firstSequence,
    lastSequence: fold.next - 1,
    state,
    entries: summaries,
  }
}

interface ListedEntry extends StoredEntry {
  sequence: number
}

/** The entries from `first` on, in order. */
async function* entriesFrom(
  store: ObjectStore,
  ledger: number,
  first: number,
): AsyncGenerator<ListedEntry, void, undefined> {
  let reads: Promise<ListedEntry>[] = []
  for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { after: entryKey(ledger, first - 1) })) {
    reads.push(readEntry(store, key))
    if (reads.length < parallelReads) continue
    yield* await Promise.all(reads)
    reads = []
  }
  yield* await Promise.all(reads)
}

async function readEntry(store: ObjectStore, key: string): Promise<ListedEntry> {
  const read = await readStoredEntry(store, key)
  if (read === undefined) throw new Error(`${key} was there a moment ago and is not any more`)
  return { sequence: numberOfKey(key), ...read }
}

function summarize(sequence: number, bytes: number, entry: DecodedEntry, voidParts: number): EntrySummary {
  const commands: Record<string, number> = {}
  let recordBytes = 0
  for (const part of entry.parts) {
    recordBytes += part.bodyLength
    for (const kind of kindsOf(part.commands)) commands[kind] = (commands[kind] ?? 0) + 1
  }
  return {
    sequence,
    bytes,
    writer: entry.writer,
    timeMs: entry.parts[0]?.timeMs ?? 0,
    commands,
    recordBytes,
    voidParts,
  }
}

/** A part's commands are packed as kind, command, length, kind, … */
function kindsOf(packed: Buffer): string[] {
  const commands = unpack(packed) as unknown[]
  return commands.filter((_, index) => index % 3 === 0).map(String)
}
