import { CorruptObjectError, messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { ObjectStore } from '../store/object-store.js'
import { emptyState, fromSnapshot, type State, toSnapshot } from '../views/state.js'
import { checksum, pack, unpack } from './entry.js'
import { numberOfKey, snapshotKey, snapshotsPrefix } from './keys.js'

/**
 * The bytes of a snapshot: `magic 'HLS1' | crc32 of the rest u32 | msgpack [format, sequence, state]`. It holds the
 * state after the entry `sequence`.
 */
const magic = Buffer.from('HLS1')
const format = 1
const headBytes = 8
/** Older snapshots are deleted; a few stay for an instance that is just loading one, or finds the newest corrupt. */
const snapshotsKept = 3

export function encodeSnapshot(state: State, sequence: number): Buffer {
  const body = pack([format, sequence, toSnapshot(state)])
  const bytes = Buffer.allocUnsafe(headBytes + body.length)
  magic.copy(bytes, 0)
  bytes.writeUInt32BE(checksum(body), 4)
  body.copy(bytes, headBytes)
  return bytes
}

/** @throws CorruptObjectError if the bytes are no snapshot of a format that this code knows. */
export function decodeSnapshot(bytes: Buffer, key: string): { state: State; sequence: number } {
  if (bytes.length < headBytes || bytes.compare(magic, 0, 4, 0, 4) !== 0)
    throw new CorruptObjectError(`${key} is not a snapshot`)
  const body = bytes.subarray(headBytes)
  if (checksum(body) !== bytes.readUInt32BE(4)) throw new CorruptObjectError(`${key}: its checksum is wrong`)
  const [found, sequence, state] = unpack(body) as [number, number, unknown]
  if (found !== format) throw new CorruptObjectError(`${key} has format ${found}, this version reads ${format}`)
  return { state: fromSnapshot(state), sequence }
}

/** The newest usable snapshot's state and the sequence number of the entry after it; an empty state if there is none. */
export async function loadSnapshot(
  store: ObjectStore,
  ledger: number,
  log: Log,
): Promise<{ state: State; next: number }> {
  const keys = await snapshotKeys(store, ledger)
  for (const key of keys.reverse()) {
    try {
      const object = await store.get(key)
      if (object === undefined) continue
      const { state, sequence } = decodeSnapshot(object.bytes, key)
      return { state, next: sequence + 1 }
    } catch (error) {
      if (!(error instanceof CorruptObjectError)) throw error
      log.error({ key, error: messageOf(error) }, 'a snapshot cannot be used; an older one is tried')
    }
  }
  return { state: emptyState(), next: 1 }
}

/** Stores a snapshot and deletes those that are no longer needed. */
export async function storeSnapshot(
  store: ObjectStore,
  ledger: number,
  sequence: number,
  bytes: Buffer,
): Promise<void> {
  await store.putIfAbsent(snapshotKey(ledger, sequence), [bytes])
  const keys = await snapshotKeys(store, ledger)
  const old = keys.slice(0, -snapshotsKept)
  if (old.length > 0) await store.delete(old)
}

async function snapshotKeys(store: ObjectStore, ledger: number): Promise<string[]> {
  const keys: string[] = []
  for await (const object of store.list(snapshotsPrefix(ledger)))
    if (Number.isSafeInteger(numberOfKey(object.key))) keys.push(object.key)
  return keys
}
