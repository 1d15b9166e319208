import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { ObjectStore } from '../store/object-store.js'
import { emptyState, type State } from '../views/state.js'
import { entriesFolder, entryKey, numberOfKey, snapshotKey, snapshotsPrefix } from './keys.js'
import { decodeSnapshot } from './snapshot-bytes.js'

/** Older snapshots are deleted; a few stay for an instance that is just loading one, or finds the newest corrupt. */
const snapshotsKept = 3
/** So often a start looks again for snapshots when those that it found were replaced. */
const listingsMax = 10
/** Places that may be empty just before the last entry: as many as all instances may have under way. */
export const unwrittenMax = 1_024

/**
 * The newest usable snapshot's state and the sequence number of the entry after it; an empty state if there is none.
 * @throws CorruptObjectError if entries are missing that no usable snapshot covers.
 */
export async function loadSnapshot(
  store: ObjectStore,
  ledger: number,
  log: Log,
): Promise<{ state: State; next: number }> {
  for (let listing = 1; ; listing++) {
    const keys = await snapshotKeys(store, ledger)
    const newest = numberOfKey(keys.at(-1) ?? '0')
    let isGone = false
    for (const key of keys.reverse()) {
      try {
        const object = await store.get(key)
        if (object === undefined) isGone = true
        if (object === undefined) continue
        const { state, sequence } = decodeSnapshot(object.bytes, key)
        await checkEntries(store, ledger, sequence + 1, newest)
        return { state, next: sequence + 1 }
      } catch (error) {
        if (!(error instanceof CorruptObjectError)) throw error
        log.error({ key, error: messageOf(error) }, 'a snapshot cannot be used; an older one is tried')
      }
    }
    // Newer ones took the place of those that were listed.
    if (isGone && listing < listingsMax) continue
    await checkEntries(store, ledger, 1, newest)
    return { state: emptyState(), next: 1 }
  }
}

/**
 * Entries go once a snapshot covers them; who begins with an older one must not take their places for the tail.
 * Beyond the newest snapshot a few may be missing: they are just being written. Is the next one there, as is mostly so, it
 * takes no listing, which a directory with a million entries would be long at.
 */
async function checkEntries(store: ObjectStore, ledger: number, next: number, newest: number): Promise<void> {
  let expected = next
  if (next > newest && (await store.get(entryKey(ledger, next), { position: 0, length: 1 })) !== undefined) return
  for await (const { key } of store.list(`${entriesFolder(ledger)}/`, { after: entryKey(ledger, next - 1) })) {
    const found = numberOfKey(key)
    if (found === expected && expected <= newest) {
      expected++
      continue
    }
    const isWithinReach = expected > newest && found - expected <= unwrittenMax
    if (found === expected || isWithinReach) return
    throw new CorruptObjectError(
      `the ledger's entries from ${expected} to ${found - 1} are missing, and no usable snapshot covers them`,
    )
  }
  if (expected <= newest)
    throw new CorruptObjectError(`the ledger's entries from ${expected} to ${newest} are missing, and so is a snapshot`)
}

/** The sequence number of the oldest snapshot that is kept; 0 if there is none. */
export async function oldestSnapshot(store: ObjectStore, ledger: number): Promise<number> {
  return numberOfKey((await snapshotKeys(store, ledger))[0] ?? '0')
}

/** Stores a snapshot and deletes those that are no longer needed. */
export async function storeSnapshot(
  store: ObjectStore,
  ledger: number,
  sequence: number,
  pieces: readonly Buffer[],
): Promise<void> {
  await store.putIfAbsent(snapshotKey(ledger, sequence), pieces)
  const keys = await snapshotKeys(store, ledger)
  const old = keys.slice(0, -snapshotsKept)
  if (old.length > 0) await store.delete(old)
}

/** The keys of all snapshots, oldest first. */
export async function snapshotKeys(store: ObjectStore, ledger: number): Promise<string[]> {
  const keys: string[] = []
  for await (const object of store.list(snapshotsPrefix(ledger)))
    if (Number.isSafeInteger(numberOfKey(object.key))) keys.push(object.key)
  return keys
}
