import { UnavailableError } from '../../base/errors.js'
import { copyMarker, readCopyMarker, readIdentity } from '../ledger/identity.js'
import { copyMarkerKey, numberOfKey } from '../ledger/keys.js'
import { snapshotKeys } from '../ledger/snapshot.js'
import type { ObjectStore } from '../store/object-store.js'
import { putOwn, type RetryOptions, retrying } from '../store/retrying.js'

/**
 * The store that a cluster is copied to. As long as it is not complete it holds a mark, by which a gateway knows that it
 * is not to make a cluster of its own there, and a later copy that it may go on.
 */
export class CopyTarget {
  readonly #store: ObjectStore
  readonly #retrying: ObjectStore
  readonly #retries: RetryOptions
  readonly #ledgers: number

  /**
   * @param store does not repeat failed requests itself
   * @param ledgers how many the cluster has
   */
  constructor(store: ObjectStore, retries: RetryOptions, ledgers: number) {
    this.#ledgers = ledgers
    this.#store = store
    this.#retries = retries
    this.#retrying = retrying(store, retries)
  }

  get url(): string {
    return this.#store.url
  }

  /** The store, for reading and listing. */
  get objects(): ObjectStore {
    return this.#retrying
  }

  /**
   * Marks the store, unless an earlier copy of the same cluster did. False if that has been completed.
   * @throws UnavailableError if the store holds anything else
   */
  async begin(clusterId: string): Promise<boolean> {
    const identity = await readIdentity(this.#retrying)
    const marked = await readCopyMarker(this.#retrying)
    if (identity !== undefined) {
      if (identity.clusterId !== clusterId)
        throw new UnavailableError(`${this.url} holds another cluster, ${identity.clusterId}: copy to an empty place`)
      if (marked === clusterId) return false
      throw new UnavailableError(
        `${this.url} holds this cluster already, complete, and may have lived on: copy to an empty place`,
      )
    }
    if (marked !== undefined) {
      if (marked !== clusterId)
        throw new UnavailableError(`${this.url} holds an unfinished copy of another cluster, ${marked}`)
      // An earlier copy came to its end but for the last step: what it covers need not be all there is now.
      for (let ledger = 0; ledger < this.#ledgers; ledger++)
        await this.#retrying.delete(await snapshotKeys(this.#retrying, ledger))
      return true
    }
    for await (const { key } of this.#retrying.list('', { limit: 1 }))
      throw new UnavailableError(`${this.url} is not empty: it holds ${key}, and no cluster; copy to an empty place`)
    await this.put(copyMarkerKey, [copyMarker(clusterId)])
    return true
  }

  /** Stores an object. @throws CorruptObjectError if there is another one of that name */
  put(key: string, body: readonly Uint8Array[]): Promise<void> {
    return putOwn(this.#store, key, body, this.#retries)
  }

  /** Removes snapshots of a ledger that need entries which are not copied. */
  async keepSnapshots(ledger: number, sequences: readonly number[]): Promise<void> {
    const keys = await snapshotKeys(this.#retrying, ledger)
    await this.#retrying.delete(keys.filter((key) => !sequences.includes(numberOfKey(key))))
  }

  /** All is there: removes the mark. */
  async finish(): Promise<void> {
    await this.#retrying.delete([copyMarkerKey])
  }
}
