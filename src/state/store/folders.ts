import { dirname } from 'node:path'
import { StoreError } from '../../base/errors.js'
import { errnoOf } from './errno.js'
import { close, fsync, mkdir, open, rmdir } from './files.js'

/** Folders remembered as existing; past that the oldest is forgotten and looked for again. */
const knownMax = 10_000

/** A flush under way, and the one that begins after it for those who came too late for it. */
interface Flush {
  running: Promise<void>
  next: Promise<void> | undefined
}

/**
 * The folders below one root: made on demand, and their entries made durable.
 *
 * A name in a folder survives a crash only once the folder itself was fsynced. Callers that wait for the same
 * folder at the same time share one fsync, which begins after their changes.
 */
export class Folders {
  readonly #root: string
  readonly #flushFolder: ((path: string) => Promise<void>) | undefined
  readonly #known = new Set<string>()
  readonly #flushes = new Map<string, Flush>()
  #lost: StoreError | undefined

  /** `root` exists. `flushFolder` is how a folder is made durable; without it nothing is. */
  constructor(root: string, flushFolder: ((path: string) => Promise<void>) | undefined) {
    this.#root = root
    this.#flushFolder = flushFolder
    this.#known.add(root)
  }

  /** Whether `folder` (an absolute path) was seen to exist, durably. */
  isKnown(folder: string): boolean {
    return this.#known.has(folder)
  }

  /** Makes the folder and those above it up to the root, unless they exist. */
  async ensure(folder: string): Promise<void> {
    if (this.#known.has(folder)) return
    const parent = dirname(folder)
    await this.ensure(parent)
    await mkdir(folder).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error
    })
    // Also when it was there: the process that made it may not have come to this yet.
    await this.flush(parent)
    if (this.#known.size >= knownMax) {
      for (const oldest of this.#known) {
        if (oldest === this.#root) continue
        this.#known.delete(oldest)
        break
      }
    }
    this.#known.add(folder)
  }

  /** Somebody removed the folder, and perhaps those above it. */
  forget(folder: string): void {
    for (let path = folder; path !== this.#root; path = dirname(path)) this.#known.delete(path)
  }

  /**
   * Removes the folder if it is empty, and those above it that are then, up to the root. Not flushed: after a power
   * failure it may be there again.
   */
  async removeIfEmpty(folder: string, isKept: (folder: string) => boolean): Promise<void> {
    for (let path = folder; path !== this.#root && !isKept(path); path = dirname(path)) {
      this.#known.delete(path)
      try {
        await rmdir(path)
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === 'ENOTEMPTY' || errno === 'EEXIST') return
        if (errno !== 'ENOENT') throw error
      }
    }
  }

  /**
   * Makes all changes in the folder durable that were made before the call.
   * @throws StoreError for good once a flush failed: the kernel may have dropped what it could not write, and
   *   would call the next flush a success.
   */
  flush(folder: string): Promise<void> {
    if (this.#flushFolder === undefined) return Promise.resolve()
    const flush = this.#flushes.get(folder)
    if (flush === undefined) return this.#begin(folder)
    const again = () => this.#begin(folder)
    flush.next ??= flush.running.then(again, again)
    return flush.next
  }

  #begin(folder: string): Promise<void> {
    const flush: Flush = { running: this.#flushNow(folder), next: undefined }
    this.#flushes.set(folder, flush)
    const done = () => {
      if (flush.next === undefined) this.#flushes.delete(folder)
    }
    flush.running.then(done, done)
    return flush.running
  }

  async #flushNow(folder: string): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost
    try {
      await this.#flushFolder?.(folder)
    } catch (cause) {
      if (!(cause instanceof Error && 'syscall' in cause && cause.syscall === 'fsync')) throw cause
      this.#lost ??= new StoreError(`fsync failed: ${cause.message}; restart once the disk is sound`, {
        key: folder,
        retry: false,
        cause,
      })
      throw this.#lost
    }
  }
}

/** Makes the folder's entries durable: fsync of the folder itself. */
export async function fsyncFolder(path: string): Promise<void> {
  const fd = await open(path, 'r')
  try {
    await fsync(fd)
  } finally {
    await close(fd)
  }
}
