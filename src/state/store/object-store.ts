/** What a put found. `exists`: somebody (perhaps we ourselves, earlier) has that key; nothing was changed. */
export type PutOutcome = 'created' | 'exists'

/** A byte range of an object. */
export interface ByteRange {
  position: number
  length: number
}

/** What a get returns: the bytes of the range (fewer at the object's end) and the whole object's size in bytes. */
export interface StoredObject {
  bytes: Buffer
  size: number
}

/** An object's bytes, which may be lent: then `release` is to be called, once, when nobody looks at them any more. */
export interface LentObject extends StoredObject {
  release?(): void
}

/** Gives a buffer of `length` bytes with any content. */
export type Allocate = (length: number) => Buffer

/** One listed object. */
export interface ListedObject {
  key: string
  size: number
}

export interface ListOptions {
  /** Only keys that sort after this one (it need not exist). */
  after?: string
  /** At most so many. */
  limit?: number
}

/**
 * The port to shared object storage. Keys are `/`-separated, of `[A-Za-z0-9._-]`, and no key is another key's
 * folder; none begins with `tmp/` or `journal/` (see `keys.ts`). All the order Heraclitus has comes from `putIfAbsent`.
 *
 * Every method throws `StoreError` when the store fails; `retry` on it says whether trying again can help.
 */
export interface ObjectStore {
  /** For log lines and `/health`: `file:/var/lib/heraclitus`, `s3://bucket/prefix`. Never holds credentials. */
  readonly url: string
  /** What a put and a get cost: a `paid` store wants few large requests; a `local` one has none to save. */
  readonly kind: 'local' | 'paid'
  /**
   * Stores `body` (its pieces, concatenated) under `key` unless the key exists. Atomic and durable: once it
   * resolves, every reader sees the whole object, also after a crash; no reader ever sees a part of it.
   * What `exists` may still be on its way to the disk: it is durable for whoever gets it, and before whatever is put after it in
   * the same folder.
   * The pieces are not changed by anybody until the promise settles.
   * @throws StoreError the outcome is unknown then: the object may exist.
   */
  putIfAbsent(key: string, body: readonly Uint8Array[]): Promise<PutOutcome>
  /**
   * The object's bytes, or a range of them; `undefined` if there is no such object. A range past the end gives no bytes.
   * A store may put them into a buffer that `allocate` gives, of so many bytes as it asks for.
   */
  get(key: string, range?: ByteRange, allocate?: Allocate): Promise<StoredObject | undefined>
  /**
   * As `get`, if the bytes can be had at once, on the event loop's own thread and in a time for which it may wait. Otherwise,
   * and also when there is no such object or something is wrong, undefined: `get` says then what it is. With `mayLend` the
   * bytes may be lent: they are the caller's to change all the same, but the store can't do away with the object as long as
   * it has not got them back. Absent where the store can't; it never throws.
   */
  getNow?(key: string, range: ByteRange, allocate: Allocate, mayLend?: boolean): LentObject | undefined
  /** Objects whose key starts with `prefix`, in ascending order of their keys' bytes. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>
  /** Deletes the objects; a missing one is no error. */
  delete(keys: readonly string[]): Promise<void>
  /**
   * Calls `onChange` soon after an object directly below `folder` (no trailing slash) may have been created by
   * anybody, with the last part of its key where that is known. A hint only: it may be late, doubled or missing.
   * Returns how to stop. Absent where the store can't.
   */
  watch?(folder: string, onChange: (name?: string) => void): () => void
  /** Releases connections and watches. */
  close(): Promise<void>
}
