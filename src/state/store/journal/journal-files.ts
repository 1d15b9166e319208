import type { Clock } from '../../../base/clock.js'
import type { Log } from '../../../base/log.js'
import type { Random } from '../../../base/random.js'
import { errnoOf } from '../errno.js'
import { close, fdatasync, fsync, link, open, readdir, unlink, writeAll } from '../files.js'
import type { Flushes } from '../flushes.js'
import type { Folders } from '../folders.js'
import { encodeFileHeader } from './file-header.js'
import { JournalFile, type RecordVisitor } from './journal-file.js'
import { Numbers } from './numbers.js'
import { newMark, type RecordHeader } from './record.js'

/** Files that are in memory at once; of others their headers are. Each takes some hundred KiB. */
export const loadedFilesMax = 64

export interface JournalFilesOptions {
  /** Where they are. */
  folder: string
  /** Where files are made before they have their names. */
  temporaryFolder: string
  folders: Folders
  flushes: Flushes
  isDurable: boolean
  isReadOnly: boolean
  clock: Clock
  random: Random
  log: Log
  isWritten(header: RecordHeader): boolean
  /** Is told of the records of files that are gone on to. */
  visit: RecordVisitor
}

const suffix = '.journal'

/** The files of one journal, in their order: the last is appended to, by all processes that share the folder. */
export class JournalFiles {
  readonly #options: JournalFilesOptions
  /** In their order. */
  #files: JournalFile[] = []
  #opening: Promise<boolean> | undefined
  #beginning: Promise<void> | undefined
  /** Those in memory, the one used last at the end. */
  readonly #loaded = new Set<JournalFile>()
  #lastUsed: JournalFile | undefined

  constructor(options: JournalFilesOptions) {
    this.#options = options
  }

  /** The one that is appended to, in memory; undefined if there is none yet. */
  get last(): JournalFile | undefined {
    return this.#files.at(-1)
  }

  get all(): readonly JournalFile[] {
    return this.#files
  }

  /** Finds what there is. */
  async open(): Promise<void> {
    // An attempt before may have failed half-way.
    this.close()
    this.#files = []
    for (const ordinal of await this.#ordinals()) {
      const file = this.#fileAt(ordinal)
      if (file !== undefined) this.#files.push(file)
    }
    // Others may remove what has been found.
    while (this.last !== undefined && !(await this.load(this.last, this.#options.visit))) this.#files.pop()
    for (const file of this.#files) if (file !== this.last) file.flushedTo = Number.POSITIVE_INFINITY
    if (this.last !== undefined) await this.#flushNames()
    await this.goOn()
  }

  /** As long as the last file is ended and has a successor, goes on to that. */
  async goOn(): Promise<void> {
    while ((this.last === undefined || this.last.isEnded) && (await this.#openNext())) {}
  }

  /** Makes the file that is to be appended to once the last has ended, unless somebody else is quicker. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = undefined
    })
    return this.#beginning
  }

  /** Which file an object of that number is in, if there is one. */
  fileOf(number: number): JournalFile | undefined {
    let low = 0
    let high = this.#files.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#files[middle]?.takenBefore.has(number)) high = middle
      else low = middle + 1
    }
    const file = this.#files[low - 1]
    // While the last is being read it may be in that.
    return file !== undefined && file === this.last && file.isLoaded && !file.taken.has(number) ? undefined : file
  }

  /** Numbers of the objects that a file may have; some of them may have been in files after it that are gone. */
  numbersOf(file: JournalFile): Numbers {
    const next = this.#files[this.#files.indexOf(file) + 1]
    return (next === undefined ? file.taken : next.takenBefore).without(file.takenBefore)
  }

  /** Brings a file into memory, in the place of one that was used less lately; false if it has been removed. */
  async load(file: JournalFile, visit?: RecordVisitor): Promise<boolean> {
    if (this.isInUse(file)) return true
    if (!(await file.load(visit))) return false
    this.#loaded.add(file)
    this.#lastUsed = file
    for (const old of this.#loaded) {
      if (this.#loaded.size <= loadedFilesMax) break
      if (old === file || old === this.last) continue
      this.#loaded.delete(old)
      old.unload()
    }
    return true
  }

  /** Whether a file is in memory; then it is the one that was used last. */
  isInUse(file: JournalFile): boolean {
    if (!file.isLoaded) return false
    if (file !== this.#lastUsed) {
      this.#loaded.delete(file)
      this.#loaded.add(file)
      this.#lastUsed = file
    }
    return true
  }

  /** Makes all durable that is known to be in a file. */
  async flush(file: JournalFile): Promise<void> {
    const { flushes, isDurable } = this.#options
    // One that is not in memory any more has another behind it, and who made that has flushed it.
    if (!isDurable || !file.isLoaded) return
    await file.descriptor.use((fd) =>
      flushes.flush(file.path, async () => {
        const end = file.isLoaded ? file.end : 0
        await fdatasync(fd)
        file.flushedTo = Math.max(file.flushedTo, end)
      }),
    )
  }

  /** Reads the last file anew. */
  async reload(): Promise<void> {
    const { last } = this
    if (last === undefined) return
    this.#loaded.delete(last)
    last.unload()
    await this.load(last)
  }

  /** Forgets a file; `isRemoved`: it is removed from the folder too. */
  async drop(file: JournalFile, isRemoved: boolean): Promise<void> {
    this.#files = this.#files.filter((other) => other !== file)
    this.#loaded.delete(file)
    if (file.isLoaded) file.unload()
    if (!isRemoved) return
    await unlink(file.path).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }

  /** Forgets the files that others have removed. */
  async forgetRemoved(): Promise<void> {
    // Not those that come while it is looked.
    const before = [...this.#files]
    const there = new Set(await this.#ordinals())
    for (const file of before) if (!there.has(file.ordinal) && file !== this.last) await this.drop(file, false)
  }

  close(): void {
    for (const file of this.#loaded) file.unload()
    this.#loaded.clear()
  }

  async #begin(): Promise<void> {
    const { folder, temporaryFolder, folders, isDurable, random } = this.#options
    await this.goOn()
    const { last } = this
    if (last !== undefined && !last.isEnded) return
    const taken = last?.taken ?? new Numbers()
    // What is said of the files before this one is on the disk before it is.
    if (last !== undefined) await this.flush(last)
    await folders.ensure(folder)
    const temporary = `${temporaryFolder}/${process.pid}-${random.hex(6)}-journal`
    const fd = await open(temporary, 'wx')
    try {
      await writeAll(fd, [encodeFileHeader(newMark(random), taken)])
      if (isDurable) await fsync(fd)
      await link(temporary, this.#pathOf((last?.ordinal ?? 0) + 1)).catch((error: unknown) => {
        if (errnoOf(error) !== 'EEXIST') throw error
      })
      // Also when somebody else has made it: he may not have come to this yet.
      await folders.flush(folder)
    } finally {
      await close(fd)
      await unlink(temporary)
    }
    await this.goOn()
  }

  #openNext(): Promise<boolean> {
    this.#opening ??= this.#openAfter(this.last).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #openAfter(last: JournalFile | undefined): Promise<boolean> {
    const { visit, isReadOnly } = this.#options
    const ordinal = last?.ordinal ?? 0
    let next = this.#fileAt(ordinal + 1)
    // Others may have made and removed it while this process was not looking.
    for (const later of next === undefined ? await this.#ordinals() : [])
      if (later > ordinal) next ??= this.#fileAt(later)
    if (next === undefined || !(await this.load(next, visit))) return false
    if (await this.#isVoid(next)) {
      await this.drop(next, !isReadOnly)
      return this.#openAfter(last)
    }
    // Who made it may be held up before its name is durable, and this process is about to rely on it.
    await this.#flushNames()
    while (!next.isLoaded) if (!(await this.load(next, visit))) return false
    if (last !== undefined) last.flushedTo = Number.POSITIVE_INFINITY
    this.#files.push(next)
    return true
  }

  /**
   * Whether somebody made the file anew who was held up until the one of that name, and what was in it, had been removed:
   * others are behind it, and it has not ended, as a file has before there is another.
   */
  async #isVoid(file: JournalFile): Promise<boolean> {
    if (file.isEnded || !(await this.#ordinals()).some((later) => later > file.ordinal)) return false
    // It may have ended since it was read.
    while (!file.isLoaded) if (!(await this.load(file, this.#options.visit))) return false
    file.readOn(this.#options.visit)
    return !file.isEnded
  }

  async #flushNames(): Promise<void> {
    const { folder, folders, isDurable, isReadOnly } = this.#options
    if (!isDurable || isReadOnly) return
    await folders.ensure(folder)
    await folders.flush(folder)
  }

  #fileAt(ordinal: number): JournalFile | undefined {
    const { clock, isReadOnly, isWritten } = this.#options
    return JournalFile.open({ path: this.#pathOf(ordinal), ordinal, clock, isReadOnly, isWritten })
  }

  #pathOf(ordinal: number): string {
    return `${this.#options.folder}/${String(ordinal).padStart(10, '0')}${suffix}`
  }

  /** Of all files that there are, in their order. */
  async #ordinals(): Promise<number[]> {
    try {
      const names = (await readdir(this.#options.folder)).filter((name) => /^\d{10,}\.journal$/.test(name))
      return names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
  }
}
