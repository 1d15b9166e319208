import type { ObjectStore } from '../store/object-store.js'
import { type DecodedEntry, decodeEntry, headLength } from './entry.js'

/** The part of an entry that is read first; a longer head takes another read. */
const headBytesGuess = 64 * 1024

export interface StoredEntry {
  entry: DecodedEntry
  /** The whole object, bytes. */
  size: number
}

/**
 * Reads the head of an entry, or of a lane's object; undefined if it is not there.
 * @throws StoreError, CorruptObjectError; UnavailableError if it is of a later format.
 */
export async function readStoredEntry(store: ObjectStore, key: string): Promise<StoredEntry | undefined> {
  let head = await store.get(key, { position: 0, length: headBytesGuess })
  if (head === undefined) return undefined
  const length = headLength(head.bytes, key)
  if (head.bytes.length < length && head.size >= length) head = await store.get(key, { position: 0, length })
  return head === undefined ? undefined : { entry: decodeEntry(head.bytes, key), size: head.size }
}
