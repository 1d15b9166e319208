import fs from 'node:fs'
import type { Clock } from '../../base/clock.js'
import { messageOf } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import { errnoOf } from './errno.js'
import { close, open, unlink } from './files.js'
import type { Pace } from './pace.js'

/** A file under a temporary name, open for writing, empty. */
export interface TemporaryFile {
  fd: number
  path: string
}

/** So many files are there before they are asked for. */
const preparedMax = 2
/** One that was not asked for in this time is made anew, milliseconds: others sweep what they take for abandoned. */
const preparedMs = 60_000

export interface TemporaryFilesOptions {
  /** The folder they are in, and how their names begin: unique over all processes that use the folder. */
  prefix: string
  pace: Pace
  clock: Clock
  log: Log
}

/**
 * Files to be written, and then given their names. To make one takes about as long as to write it, and so does to
 * remove its temporary name; neither needs to stand between a request and its answer. So both are done once the
 * answer is on its way: what was written is tidied up, and the next file is made.
 */
export class TemporaryFiles {
  readonly #prefix: string
  readonly #pace: Pace
  readonly #clock: Clock
  readonly #log: Log
  readonly #prepared: (TemporaryFile & { madeAtMs: number })[] = []
  /** Written, to be removed. */
  #done: TemporaryFile[] = []
  #isTidyingDue = false
  #isClosed = false
  #names = 0

  constructor({ prefix, pace, clock, log }: TemporaryFilesOptions) {
    this.#prefix = prefix
    this.#pace = pace
    this.#clock = clock
    this.#log = log
  }

  /** @throws the system's error if there is none and none can be made. */
  take(): TemporaryFile | Promise<TemporaryFile> {
    const prepared = this.#prepared.shift()
    if (prepared !== undefined) {
      if (this.#clock.monotonic() - prepared.madeAtMs < preparedMs) return prepared
      this.giveBack(prepared)
    }
    const path = `${this.#prefix}-${++this.#names}`
    if (!this.#pace.mayBlock()) return open(path, 'wx').then((fd) => ({ fd, path }))
    return { fd: this.#pace.block(() => fs.openSync(path, 'wx')), path }
  }

  /** The file has its name, or will never have one: it is closed and its temporary name removed, soon. */
  giveBack(file: TemporaryFile): void {
    this.#done.push(file)
    if (this.#isTidyingDue) return
    this.#isTidyingDue = true
    this.#clock.soon(() => {
      this.#isTidyingDue = false
      this.#tidy()
    })
  }

  /** Those that are prepared are not to be used. */
  forget(): void {
    for (const file of this.#prepared.splice(0)) this.giveBack(file)
  }

  /** Removes all that are not being written. */
  async close(): Promise<void> {
    this.#isClosed = true
    const files = [...this.#prepared.splice(0), ...this.#done]
    this.#done = []
    await Promise.all(files.map((file) => this.#remove(file)))
  }

  #tidy(): void {
    const files = this.#done
    this.#done = []
    if (!this.#pace.mayBlock()) {
      for (const file of files) void this.#remove(file)
      return
    }
    for (const { fd, path } of files) {
      try {
        fs.closeSync(fd)
        this.#pace.block(() => fs.unlinkSync(path))
      } catch (error) {
        this.#stays(path, error)
      }
    }
    while (!this.#isClosed && this.#prepared.length < preparedMax && this.#pace.mayBlock()) {
      const path = `${this.#prefix}-${++this.#names}`
      try {
        const fd = this.#pace.block(() => fs.openSync(path, 'wx'))
        this.#prepared.push({ fd, path, madeAtMs: this.#clock.monotonic() })
      } catch {
        // Whoever needs one makes one, and is told why that does not work.
        return
      }
    }
  }

  async #remove({ fd, path }: TemporaryFile): Promise<void> {
    try {
      await close(fd)
      await unlink(path)
    } catch (error) {
      this.#stays(path, error)
    }
  }

  #stays(path: string, error: unknown): void {
    if (errnoOf(error) !== 'ENOENT') this.#log.warn({ path }, `a temporary file stays: ${messageOf(error)}`)
  }
}
