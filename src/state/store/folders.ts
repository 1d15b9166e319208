import { dirname } from 'node:path'
import { errnoOf } from './errno.js'
import { close, fsync, mkdir, open, rmdir } from './files.js'
import { Flushes } from './flushes.js'

/** Folders remembered as existing; past that the oldest is forgotten and looked for again. */
const knownMax = 10_000

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
  readonly #flushes: Flushes

  /** `root` exists. `flushFolder` is how a folder is made durable; without it nothing is. */
  constructor(
    root: string,
    flushFolder: ((path: string) => Promise<void>) | undefined,
    flushes: Flushes = new Flushes(),
  ) {
    this.#root = root
    this.#flushes = flushes
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
   * @throws StoreError for good once a flush failed; see `Flushes`.
   */
  flush(folder: string): Promise<void> {
    const flushFolder = this.#flushFolder
    if (flushFolder === undefined) return Promise.resolve()
    return this.#flushes.flush(folder, () => flushFolder(folder))
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
