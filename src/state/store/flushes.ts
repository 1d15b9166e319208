import { StoreError } from '../../base/errors.js'

/** A flush under way, and the one that begins after it for those who came too late for it. */
interface Flush {
  running: Promise<void>
  next: Promise<void> | undefined
}

/**
 * Flushes of files and folders to the disk. Callers that wait for the same one at the same time share one flush, which
 * begins after their changes.
 */
export class Flushes {
  readonly #flushes = new Map<string, Flush>()
  #lost: StoreError | undefined

  /**
   * Makes all changes of the file or folder `path` durable that were made before the call: by `flush`, which throws the
   * system's error.
   * @throws StoreError for good once a flush failed: the kernel may have dropped what it could not write, and
   *   would call the next flush a success.
   */
  flush(path: string, flush: () => Promise<void>): Promise<void> {
    const underWay = this.#flushes.get(path)
    if (underWay === undefined) return this.#begin(path, flush)
    const again = () => this.#begin(path, flush)
    underWay.next ??= underWay.running.then(again, again)
    return underWay.next
  }

  /** @throws StoreError for good once a flush failed. */
  check(): void {
    if (this.#lost !== undefined) throw this.#lost
  }

  #begin(path: string, flush: () => Promise<void>): Promise<void> {
    const begun: Flush = { running: this.#run(path, flush), next: undefined }
    this.#flushes.set(path, begun)
    const done = () => {
      if (begun.next === undefined) this.#flushes.delete(path)
    }
    begun.running.then(done, done)
    return begun.running
  }

  async #run(path: string, flush: () => Promise<void>): Promise<void> {
    this.check()
    try {
      await flush()
    } catch (cause) {
      if (!(cause instanceof Error && 'syscall' in cause && isFlush(cause.syscall))) throw cause
      this.#lost ??= new StoreError(`fsync failed: ${cause.message}; restart once the disk is sound`, {
        key: path,
        retry: false,
        cause,
      })
      throw this.#lost
    }
  }
}

const isFlush = (syscall: unknown) => syscall === 'fsync' || syscall === 'fdatasync'
