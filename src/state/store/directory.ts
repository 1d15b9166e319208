import fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Clock } from '../../base/clock.js'
import { messageOf, StoreError } from '../../base/errors.js'
import type { Log } from '../../base/log.js'
import type { Random } from '../../base/random.js'
import { errnoOf, fromErrno } from './errno.js'
import {
  close,
  fstat,
  fsync,
  link,
  mkdir,
  open,
  readAll,
  readAllBlocking,
  unlink,
  writeAll,
  writeAllBlocking,
} from './files.js'
import { Flushes } from './flushes.js'
import { Folders, fsyncFolder } from './folders.js'
import { JournaledStore, journalsFolder } from './journaled.js'
import { checkKey } from './keys.js'
import { listFolder } from './list-folder.js'
import { isOnLocalFileSystem } from './local-file-system.js'
import { FileWindows } from './mapping/file-windows.js'
import type {
  Allocate,
  ByteRange,
  LentObject,
  ListedObject,
  ListOptions,
  ObjectStore,
  PutOutcome,
  StoredObject,
} from './object-store.js'
import { copiedBytesMost, Pace } from './pace.js'
import { sweepTemporaryFiles } from './sweep.js'
import { type TemporaryFile, TemporaryFiles } from './temporary-files.js'

export interface DirectoryStoreOptions {
  /** The root folder; made if it does not exist. */
  path: string
  /** Whether an object is on the disk before its put resolves (default). Without, a power failure may lose it. */
  fsync?: boolean
  /** Nothing is to be changed, not even to see whether it can be: for a folder that others use, or that is mounted so. */
  readOnly?: boolean
  /** Whether a new store keeps ledgers' entries in journals. Not given: if the file system is one of a single machine. */
  journals?: boolean
  /** Whether large pieces of files may be mapped into memory instead of being read (default). */
  mmap?: boolean
  clock: Clock
  random: Random
  log: Log
}

/**
 * Bodies and ranges up to so many bytes are copied on the event loop's own thread: some 100 µs, of which the thread
 * pool would save nothing. Larger ones go through the pool, their other calls don't (see `Pace`).
 */
const blockingBytesMax = 256 * 1024
/** What was written so recently, milliseconds, is read from memory; anything older may have to come from the disk. */
const cachedMs = 60_000
/** Deletions under way at once. */
const deletionsMax = 8
/** Times that a put makes the folder it needs, while others find it empty and remove it. */
const namingsMax = 10

/**
 * Objects as files below a folder, which processes of one machine, or of several on a network file system, may share.
 * On a file system of one machine the entries of ledgers are kept in journals instead (`journaled.ts`).
 *
 * An object is written under a temporary name (`tmp/`), fsynced, and given its name by link(2), which fails if the
 * name is taken: so it is there whole or not at all, and the file system decides who was first. Then the folder is
 * fsynced, and only then the temporary name removed: as long as a file has two names it may not be durable yet.
 *
 * @throws StoreError when the folder can't be made or written to.
 */
export async function directoryStore(options: DirectoryStoreOptions): Promise<ObjectStore> {
  const root = resolve(options.path)
  const isDurable = options.fsync ?? true
  const flushes = new Flushes()
  const folders = new Folders(root, isDurable ? fsyncFolder : undefined, flushes)
  const windows = (options.mmap ?? true) ? new FileWindows(options) : undefined
  const shared = { ...options, root, isDurable, flushes, folders, pace: new Pace(options.clock), windows }
  const files = new DirectoryStore(shared)
  if (!options.readOnly) await files.prepare()
  const keepsJournals = await hasJournals(root, folders, options)
  return keepsJournals ? new JournaledStore(files, { ...shared, isReadOnly: options.readOnly ?? false }) : files
}

/** Whether the store keeps journals; decided when it is made. */
async function hasJournals(root: string, folders: Folders, options: DirectoryStoreOptions): Promise<boolean> {
  const path = `${root}/${journalsFolder}`
  const { readOnly = false, journals, log } = options
  try {
    const hasSome = fs.existsSync(path)
    if (!hasSome && (readOnly || fs.existsSync(`${root}/ledger`))) return false
    const isLocal = journals ?? isOnLocalFileSystem(root)
    if (hasSome && !isLocal && !readOnly)
      throw new StoreError(
        'this directory was made on a file system of one machine, and its entries can not be written over a network: copy it with `heraclitus ledger copy`',
        { key: path, retry: false },
      )
    if (!hasSome && isLocal) await folders.ensure(path)
    if (!isLocal) log.info({ folder: root }, 'the file system is not known to be of one machine: each entry is a file')
    return hasSome || isLocal
  } catch (error) {
    throw fromErrno('opening the directory', root, error)
  }
}

interface DirectoryStoreParts extends Pick<DirectoryStoreOptions, 'clock' | 'random' | 'log'> {
  /** An absolute path. */
  root: string
  isDurable: boolean
  folders: Folders
  pace: Pace
  windows: FileWindows | undefined
}

class DirectoryStore implements ObjectStore {
  readonly kind = 'local'
  readonly url: string
  readonly #root: string
  readonly #durable: boolean
  readonly #clock: Clock
  readonly #log: Log
  readonly #folders: Folders
  readonly #pace: Pace
  readonly #windows: FileWindows | undefined
  readonly #temporary: TemporaryFiles
  readonly #watchers = new Set<fs.FSWatcher>()
  readonly #watched = new Set<string>()
  #sweep: Promise<void> = Promise.resolve()

  constructor({ root, isDurable, folders, pace, windows, clock, random, log }: DirectoryStoreParts) {
    this.url = `file:${root}`
    this.#root = root
    this.#durable = isDurable
    this.#clock = clock
    this.#log = log
    this.#folders = folders
    this.#pace = pace
    this.#windows = windows
    const prefix = `${root}/tmp/${process.pid}-${random.hex(6)}`
    this.#temporary = new TemporaryFiles({ prefix, pace, clock, log })
  }

  /** Makes the root and the folder of temporary files, and begins to sweep the latter. */
  async prepare(): Promise<void> {
    try {
      const firstMade = await mkdir(this.#root, { recursive: true })
      if (firstMade !== undefined) {
        const end = dirname(firstMade)
        for (let path = this.#root; path !== end; path = dirname(path)) await this.#folders.flush(dirname(path))
      }
      await this.#folders.ensure(`${this.#root}/tmp`)
      this.#temporary.giveBack(await this.#temporary.take())
    } catch (error) {
      throw fromErrno('opening the directory', this.#root, error)
    }
    this.#sweep = sweepTemporaryFiles(`${this.#root}/tmp`, this.#clock, this.#log)
  }

  async putIfAbsent(key: string, body: readonly Uint8Array[]): Promise<PutOutcome> {
    checkKey(key)
    const path = `${this.#root}/${key}`
    const onLoop = this.#pace.mayBlock()
    let temporary: TemporaryFile | undefined
    let isNamed = false
    try {
      if (onLoop && this.#pace.block(() => fs.statSync(path, { throwIfNoEntry: false })) !== undefined) {
        await this.#folders.flush(dirname(path))
        return 'exists'
      }
      const pieces = body.filter((piece) => piece.length > 0)
      const taken = this.#temporary.take()
      temporary = taken instanceof Promise ? await taken : taken
      const { fd } = temporary
      if (onLoop && bytesOf(pieces) <= blockingBytesMax) this.#pace.block(() => writeAllBlocking(fd, pieces))
      else await writeAll(fd, pieces)
      if (this.#durable) await fsync(fd)
      const outcome = await this.#name(path, temporary.path, onLoop)
      if (outcome === 'created') isNamed = true
      // Also when it exists: who is told so relies on it, and its writer may not have come to this yet.
      await this.#folders.flush(dirname(path))
      this.#temporary.giveBack(temporary)
      return outcome
    } catch (error) {
      // Somebody may have swept them away.
      if (errnoOf(error) === 'ENOENT') this.#temporary.forget()
      if (temporary !== undefined) {
        // An object that could not be made durable keeps its second name, for readers to see that.
        if (isNamed) fs.closeSync(temporary.fd)
        else this.#temporary.giveBack(temporary)
      }
      throw fromErrno('put', key, error)
    }
  }

  /** Gives the written file its name, unless that is taken. */
  async #name(path: string, temporary: string, onLoop: boolean): Promise<PutOutcome> {
    const folder = dirname(path)
    for (let attempt = 1; ; attempt++) {
      try {
        if (!this.#folders.isKnown(folder)) await this.#folders.ensure(folder)
        if (onLoop) this.#pace.block(() => fs.linkSync(temporary, path))
        else await link(temporary, path)
        return 'created'
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === 'EEXIST') {
          // A network file system that repeats a call whose answer was lost reports our own success so.
          return fs.statSync(temporary).nlink > 1 ? 'created' : 'exists'
        }
        // Somebody deleted the last object in that folder.
        if (errno !== 'ENOENT' || attempt >= namingsMax) throw error
        this.#folders.forget(folder)
      }
    }
  }

  async get(key: string, range?: ByteRange, allocate?: Allocate): Promise<StoredObject | undefined> {
    checkKey(key)
    const path = `${this.#root}/${key}`
    const onLoop = this.#pace.mayBlock()
    try {
      // A miss, the most frequent answer to a poll, is quickest found so, and throws nothing.
      const seen = onLoop ? this.#pace.block(() => fs.statSync(path, { throwIfNoEntry: false })) : undefined
      if (onLoop && seen === undefined) return undefined
      const fd = onLoop ? this.#pace.block(() => fs.openSync(path, 'r')) : await open(path, 'r')
      try {
        const stat = seen ?? (await fstat(fd))
        if (!stat.isFile()) return undefined
        if (stat.nlink > 1) await this.#folders.flush(dirname(path))
        const { position, length } = within(stat.size, range)
        const isCached = length <= blockingBytesMax && this.#clock.now() - stat.mtimeMs < cachedMs
        const bytes =
          onLoop && isCached
            ? this.#pace.block(() => readAllBlocking(fd, position, length, allocate))
            : await readAll(fd, position, length, allocate)
        return { bytes, size: stat.size }
      } finally {
        if (onLoop) fs.closeSync(fd)
        else await close(fd)
      }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
      throw fromErrno('get', key, error)
    }
  }

  getNow(key: string, range: ByteRange, allocate: Allocate, mayLend = false): LentObject | undefined {
    const mayMap = mayLend && this.#windows?.suits(range.length)
    if ((range.length > copiedBytesMost && !mayMap) || !this.#pace.mayBlock()) return undefined
    try {
      checkKey(key)
      const path = `${this.#root}/${key}`
      return this.#pace.block(() => {
        const stat = fs.statSync(path, { throwIfNoEntry: false })
        // While it has two names it may not be durable yet.
        if (stat === undefined || !stat.isFile() || stat.nlink > 1) return undefined
        const { position, length } = within(stat.size, range)
        const isCached = range.length <= copiedBytesMost && this.#clock.now() - stat.mtimeMs < cachedMs
        if (!isCached && !mayMap) return undefined
        const fd = fs.openSync(path, 'r')
        try {
          const window = mayMap ? this.#windows?.open(fd, position, length) : undefined
          if (window !== undefined) return { ...window, size: stat.size }
          if (!isCached) return undefined
          return { bytes: readAllBlocking(fd, position, length, allocate), size: stat.size }
        } finally {
          fs.closeSync(fd)
        }
      }, range.length)
    } catch {
      // `get` says what it is.
      return undefined
    }
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    return listFolder(this.#root, prefix, options)
  }

  /**
   * Folders that are empty then go too, but for watched ones. Not flushed: after a power failure a deleted object may be
   * there again.
   */
  async delete(keys: readonly string[]): Promise<void> {
    let next = 0
    const work = async () => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        checkKey(key)
        try {
          await unlink(`${this.#root}/${key}`)
        } catch (error) {
          const errno = errnoOf(error)
          if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw fromErrno('delete', key, error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(deletionsMax, keys.length) }, work))
    for (const folder of new Set(keys.map((key) => dirname(`${this.#root}/${key}`))))
      await this.#folders
        .removeIfEmpty(folder, (path) => this.#watched.has(path))
        .catch((error: unknown) => this.#log.warn({ folder }, `an empty folder stays: ${messageOf(error)}`))
  }

  watch(folder: string, onChange: (name?: string) => void): () => void {
    const path = `${this.#root}/${folder}`
    const failed = (error: unknown) =>
      this.#log.warn({ folder: path }, `can't watch: ${messageOf(error)}; what others write is found by asking for it`)
    try {
      this.#watched.add(path)
      fs.mkdirSync(path, { recursive: true })
      const watcher = fs.watch(path, { persistent: false }, (_event, name) => onChange(name ?? undefined))
      this.#watchers.add(watcher)
      const stop = () => {
        this.#watchers.delete(watcher)
        watcher.close()
      }
      watcher.on('error', (error) => {
        stop()
        failed(error)
      })
      return stop
    } catch (error) {
      failed(error)
      return () => {}
    }
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers.clear()
    await this.#temporary.close()
    await this.#sweep
  }
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}

/** The part of the range that an object of `size` bytes has. */
function within(size: number, range: ByteRange | undefined): ByteRange {
  if (range === undefined) return { position: 0, length: size }
  const position = Math.min(range.position, size)
  return { position, length: Math.min(range.length, size - position) }
}
