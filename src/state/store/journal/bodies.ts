import fs from 'node:fs'
import type { Clock } from '../../../base/clock.js'
import { messageOf } from '../../../base/errors.js'
import type { Log } from '../../../base/log.js'
import type { Random } from '../../../base/random.js'
import { type Ordered, UseOrder } from '../../../base/use-order.js'
import { errnoOf } from '../errno.js'
import {
  fdatasync,
  lstat,
  open,
  readAll,
  readAllBlocking,
  readdir,
  unlink,
  writeAllAt,
  writeAllAtBlocking,
} from '../files.js'
import type { Flushes } from '../flushes.js'
import type { Folders } from '../folders.js'
import { Gate } from '../gate.js'
import type { Allocate } from '../object-store.js'
import type { Pace } from '../pace.js'
import { Descriptor } from './descriptor.js'

/** A file of which no journal's file knows, and that is older than this, belongs to nobody, milliseconds. */
const abandonedMs = 60 * 60_000
/** Files that are open to be read. */
const openMax = 32
/** Files into which a process writes at the same time. */
const ownMax = 2
/** Up to so many bytes are read or written on the event loop's own thread, as long as that is quick. */
const blockingBytesMax = 1024 * 1024

/**
 * Bodies begin at multiples of so many bytes: so calls write large pieces of the page cache as a whole. What lies between
 * takes no space.
 */
const alignment = 256 * 1024

export interface BodiesOptions {
  /** Where they are. */
  folder: string
  folders: Folders
  flushes: Flushes
  pace: Pace
  /** Whether they are flushed to the disk. */
  isDurable: boolean
  clock: Clock
  random: Random
  log: Log
}

/** Where a body is. */
export interface BodyPlace {
  /** The name of its file. */
  name: string
  position: number
}

/** A file that this process writes bodies into. */
interface OwnFile {
  ordinal: number
  name: string
  path: string
  descriptor: Descriptor
  /** Up to here it is written, or about to be. */
  end: number
  /** Calls of several threads would wait for the file's lock, and use up their processors meanwhile. */
  writing: Gate
}

/** A file that is open to be read. */
interface OpenFile extends Ordered<OpenFile> {
  readonly name: string
  readonly descriptor: Descriptor
}

/**
 * Bodies that are too large for a record: a record refers to them. Each process has files of its own for each of the
 * journal's files, and records of that one alone refer to what is in them: so they go together.
 */
export class Bodies {
  readonly #options: BodiesOptions
  readonly #suffix: string
  /** All for the same file of the journal. */
  #own: OwnFile[] = []
  #beginning: Promise<void> | undefined
  #files = 0
  /** To be read, by their names; and which was used longest ago. */
  readonly #open = new Map<string, OpenFile>()
  readonly #order = new UseOrder<OpenFile>()

  constructor(options: BodiesOptions) {
    this.#options = options
    this.#suffix = `${process.pid}-${options.random.hex(6)}`
  }

  /**
   * Writes a body, to which a record of the journal's file `ordinal` is to refer.
   * @throws the system's error; StoreError if it can't be flushed.
   */
  async write(ordinal: number, pieces: readonly Uint8Array[], length: number): Promise<BodyPlace> {
    const { pace, isDurable } = this.#options
    let file = this.#fileFor(ordinal)
    for (; file === undefined; file = this.#fileFor(ordinal)) await this.#begun(ordinal)
    const position = Math.ceil(file.end / alignment) * alignment
    file.end = position + length
    try {
      // In one use: as soon as nobody uses it, it may be left for the next file, and closed.
      await file.descriptor.use(async (fd) => {
        if (length <= blockingBytesMax && file.writing.underWay === 0 && pace.mayBlock())
          writeAllAtBlocking(fd, pieces, position, (call) => pace.block(call))
        else await file.writing.pass(() => writeAllAt(fd, pieces, position))
        if (isDurable) await this.#options.flushes.flush(file.path, () => fdatasync(fd))
      })
    } catch (error) {
      this.giveBack({ name: file.name, position }, length)
      throw error
    }
    return { name: file.name, position }
  }

  /** Nothing refers to the body, nor will: the next one may take its place. */
  giveBack({ name, position }: BodyPlace, length: number): void {
    const file = this.#own.find((own) => own.name === name)
    if (file?.end === position + length) file.end = position
  }

  /**
   * `length` bytes from `position` of a body's file, or undefined if that is gone.
   * @throws the system's error.
   */
  async read(
    name: string,
    position: number,
    length: number,
    isRecent: boolean,
    allocate?: Allocate,
  ): Promise<Buffer | undefined> {
    const { pace } = this.#options
    const onLoop = isRecent && pace.mayBlock()
    let file = await this.#opened(name, onLoop)
    // Somebody may have closed it meanwhile; if that is because it has been removed, it is not found again.
    while (file?.isClosed) file = await this.#opened(name, onLoop)
    if (file === undefined) return undefined
    if (onLoop && length <= blockingBytesMax)
      return pace.block(() => file.useNow((fd) => readAllBlocking(fd, position, length, allocate)))
    return file.use((fd) => readAll(fd, position, length, allocate))
  }

  /**
   * The file of that name, open to be read, if there is one.
   * @throws the system's error.
   */
  openNow(name: string): Descriptor | undefined {
    const known = this.#known(name)
    if (known !== undefined) return known
    const fd = this.#options.pace.block(() => openIfThere(`${this.#options.folder}/${name}`))
    return fd === undefined ? undefined : this.#keepOpen(name, fd)
  }

  /** Removes the bodies of one of the journal's files. If that fails, a later start does it. */
  async removeOf(ordinal: number): Promise<void> {
    if (this.#own[0]?.ordinal === ordinal) this.#leave()
    try {
      for (const name of await readdir(this.#options.folder)) if (ordinalOf(name) === ordinal) await this.#remove(name)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }

  /** Removes what was left of files of the journal that are gone. */
  async sweep(isKnown: (ordinal: number) => boolean): Promise<void> {
    const { folder, clock, log } = this.#options
    try {
      let removed = 0
      for (const name of await readdir(folder)) {
        if (isKnown(ordinalOf(name)) || clock.now() - (await lstat(`${folder}/${name}`)).ctimeMs < abandonedMs) continue
        await this.#remove(name)
        removed++
      }
      if (removed > 0) log.info({ folder, removed }, 'removed files that no journal refers to')
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') log.warn({ folder }, `could not sweep: ${messageOf(error)}`)
    }
  }

  close(): void {
    this.#leave()
    for (const file of this.#open.values()) this.#closeToRead(file)
  }

  /** A file for bodies of that one of the journal: one into which nobody writes just now, or there are enough of them. */
  #fileFor(ordinal: number): OwnFile | undefined {
    const [first] = this.#own
    if (first?.ordinal !== ordinal) return undefined
    const idle = this.#own.find(({ writing }) => !writing.isFull)
    return idle ?? (this.#own.length < ownMax ? undefined : leastAwaited(this.#own, first))
  }

  /** Begins another file, unless one is being begun: which may be for another one of the journal. */
  #begun(ordinal: number): Promise<void> {
    this.#beginning ??= this.#begin(ordinal).finally(() => {
      this.#beginning = undefined
    })
    return this.#beginning
  }

  async #begin(ordinal: number): Promise<void> {
    const { folder, folders } = this.#options
    await folders.ensure(folder)
    const name = `${ordinal}-${this.#suffix}-${++this.#files}`
    const path = `${folder}/${name}`
    const descriptor = new Descriptor(await open(path, 'wx'))
    await folders.flush(folder)
    if (this.#own[0]?.ordinal !== ordinal) this.#leave()
    this.#own.push({ ordinal, name, path, descriptor, end: 0, writing: new Gate(1) })
  }

  #leave(): void {
    for (const { descriptor } of this.#own) descriptor.close()
    this.#own = []
  }

  async #opened(name: string, onLoop: boolean): Promise<Descriptor | undefined> {
    if (onLoop) return this.openNow(name)
    const known = this.#known(name)
    if (known !== undefined) return known
    try {
      return this.#keepOpen(name, await open(`${this.#options.folder}/${name}`, 'r'))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  #known(name: string): Descriptor | undefined {
    const known = this.#open.get(name)
    if (known === undefined) return undefined
    this.#order.used(known)
    return known.descriptor
  }

  #keepOpen(name: string, fd: number): Descriptor {
    // Somebody else may have opened it meanwhile.
    const other = this.#known(name)
    if (other !== undefined) {
      fs.closeSync(fd)
      return other
    }
    const descriptor = new Descriptor(fd)
    const file = { name, descriptor, older: undefined, newer: undefined }
    this.#open.set(name, file)
    this.#order.add(file)
    if (this.#open.size > openMax) this.#closeToRead(this.#order.oldest)
    return descriptor
  }

  #closeToRead(file: OpenFile | undefined): void {
    if (file === undefined) return
    this.#order.remove(file)
    this.#open.delete(file.name)
    file.descriptor.close()
  }

  async #remove(name: string): Promise<void> {
    const path = `${this.#options.folder}/${name}`
    this.#closeToRead(this.#open.get(name))
    await unlink(path).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') this.#options.log.warn({ path }, `a file stays: ${messageOf(error)}`)
    })
  }
}

function leastAwaited(files: readonly OwnFile[], first: OwnFile): OwnFile {
  return files.reduce((least, file) => (file.writing.waiting < least.writing.waiting ? file : least), first)
}

/** Opens a file to be read; undefined if there is none. @throws the system's error. */
function openIfThere(path: string): number | undefined {
  try {
    return fs.openSync(path, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Which of the journal's files refers to it; NaN if it is no name of a body's file. */
const ordinalOf = (name: string) => Number.parseInt(name, 10)
