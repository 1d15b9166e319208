import { CorruptObjectError, messageOf } from '../../../base/errors.js'
import { readAll, readAllBlocking } from '../files.js'
import type { FileWindows } from '../mapping/file-windows.js'
import type { Allocate, ByteRange, LentObject, PutOutcome, StoredObject } from '../object-store.js'
import { copiedBytesMost, type Pace } from '../pace.js'
import { Appender } from './appender.js'
import { Bodies, type BodyPlace } from './bodies.js'
import type { Place } from './contents.js'
import type { JournalFile, RecordEffect, RecordVisitor } from './journal-file.js'
import { JournalFiles, type JournalFilesOptions } from './journal-files.js'
import { decodeDeletion, encodeDeletion, encodeReference, RecordKind, recordHeaderBytes } from './record.js'

/** When a file of a journal is followed by the next. */
export interface JournalFileLimits {
  /** It has so many bytes: they are read when a process starts. */
  bytesMax: number
  /** It has so many objects, or objects of so many bytes, wherever these are: they are removed together. */
  objectsMax: number
  objectBytesMax: number
}

const usualLimits: JournalFileLimits = {
  bytesMax: 32 * 1024 * 1024,
  objectsMax: 16 * 1024,
  objectBytesMax: 128 * 1024 * 1024,
}
/** The bytes of larger objects stand elsewhere: a record is written by one call, and its checksum takes time. */
export const inlineBytesMax = 256 * 1024
/** What has ended for longer than this, milliseconds, may have to come from the disk. */
const cachedMs = 60_000
/** Numbers in one record. */
const deletionsMax = 1_000
/** What looks damaged is looked at again after so long, milliseconds, before it is repaired. */
const repairAfterMs = 100

export interface JournalOptions extends Omit<JournalFilesOptions, 'isWritten' | 'visit'> {
  pace: Pace
  /** Absent where files are not to be mapped. */
  windows?: FileWindows | undefined
  limits?: JournalFileLimits
}

/**
 * The objects of one folder, numbered, kept in files to which all processes append (O_APPEND): where a record comes to
 * stand, the file system decides, one after the other; and of all records for one number the first is the object. So it is
 * create-if-absent, by one call, where a file for each object takes five and leaves an inode; and one flush makes it
 * durable, where a file takes two. It rests on appends being atomic among themselves, which they are on the file systems of
 * one machine, and not over a network.
 *
 * A number that was deleted is not free again. Others learn of it when they look for what is new. Deletions are remembered as
 * long as the file is that says so: after a restart what was deleted may be there again.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #files: JournalFiles
  readonly #appender: Appender
  readonly #bodies: Bodies
  #opened: Promise<void> | undefined
  #isOpen = false
  /** What nobody waits for, but for the end. */
  readonly #background = new Set<Promise<void>>()
  /** The last number that somebody else took, since the watch last asked. */
  #news: number | undefined
  #isClosed = false

  constructor(options: JournalOptions) {
    this.#options = options
    this.#appender = new Appender({ ...options, readOn: () => this.#readOn() })
    const isWritten: JournalFilesOptions['isWritten'] = (header) => this.#appender.isWritten(header)
    this.#files = new JournalFiles({ ...options, isWritten, visit: this.#visit })
    this.#bodies = new Bodies({ ...options, folder: `${options.folder}/large` })
  }

  /** @throws StoreError as `ObjectStore.putIfAbsent`; CorruptObjectError; the system's error. */
  async putIfAbsent(number: number, body: readonly Uint8Array[]): Promise<PutOutcome> {
    if (!this.#isOpen) await this.#open()
    const { isDurable, flushes } = this.#options
    const pieces = body.filter((piece) => piece.length > 0)
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    let large: { ordinal: number; place: BodyPlace } | undefined
    for (;;) {
      if (this.#readOn()) await this.#files.goOn()
      const file = this.#files.last
      if (file?.taken.has(number)) {
        // Its writer may not have flushed it yet. Who reads it does; and what comes to stand behind it is not durable before it is.
        if (isDurable) flushes.check()
        return 'exists'
      }
      if (file === undefined || file.isEnded) await this.#files.begin()
      else if (length > inlineBytesMax && large?.ordinal !== file.ordinal)
        large = { ordinal: file.ordinal, place: await this.#bodies.write(file.ordinal, pieces, length) }
      else if ((await this.#appendObject(file, number, pieces, length, large?.place)) === 'took') {
        this.#endIfFull(file)
        await this.#files.flush(file)
        return 'created'
      }
    }
  }

  /** @throws StoreError; CorruptObjectError if the object is not what was written; the system's error. */
  async get(number: number, range?: ByteRange, allocate?: Allocate): Promise<StoredObject | undefined> {
    if (!this.#isOpen) await this.#open()
    let file = this.#files.fileOf(number)
    if (file === undefined) {
      if (this.#readOn()) await this.#files.goOn()
      file = this.#files.fileOf(number)
    }
    if (file === undefined) return undefined
    // Of many that are brought into memory at once some are out of it again before they are used.
    while (!file.isLoaded) if (!(await this.#files.load(file))) return undefined
    const place = file.contents.find(number)
    if (place === undefined || file.deleted.has(number)) return undefined
    if (file.isDamaged(number)) throw new CorruptObjectError(`object ${number} in ${file.path} is not what was written`)
    // As long as a power failure may take it away, it is not there.
    if (!this.#options.isReadOnly && place.position >= file.flushedTo) {
      await this.#files.flush(file)
      // It may have ended meanwhile, and others have taken its place in memory.
      while (!file.isLoaded) if (!(await this.#files.load(file))) return undefined
    }
    const size = place.length
    const { position, length } = within(size, range)
    const bytes = await this.#read(file, place, position, length, allocate)
    return bytes && { bytes, size }
  }

  /** What `get` would give, if it would not have to wait for anything; otherwise, and if anything is wrong, undefined. */
  getNow(number: number, range: ByteRange, allocate: Allocate, mayLend = false): LentObject | undefined {
    const { pace, clock, isReadOnly, isDurable, windows } = this.#options
    const file = this.#isOpen ? this.#files.fileOf(number) : undefined
    if (file === undefined || !this.#files.isInUse(file) || !pace.mayBlock()) return undefined
    const place = file.contents.find(number)
    if (place === undefined || file.deleted.has(number) || file.isDamaged(number)) return undefined
    if (isDurable && !isReadOnly && place.position >= file.flushedTo) return undefined
    const size = place.length
    const { position, length } = within(size, range)
    const isRecent = range.length <= copiedBytesMost && clock.monotonic() - file.endedAtMs < cachedMs
    const mayMap = mayLend && windows?.suits(length)
    if (!isRecent && !mayMap) return undefined
    const { body } = place
    const descriptor = body === undefined ? file.descriptor : this.#bodies.openNow(body.name)
    if (descriptor === undefined) return undefined
    const from = (body === undefined ? place.position + recordHeaderBytes : body.position) + position
    const window = mayMap ? pace.block(() => descriptor.useNow((fd) => windows?.open(fd, from, length))) : undefined
    if (window !== undefined) return { ...window, size }
    if (!isRecent) return undefined
    const bytes = pace.block(() => descriptor.useNow((fd) => readAllBlocking(fd, from, length, allocate)), length)
    return { bytes, size }
  }

  /** Numbers and sizes of the objects whose numbers are larger than `after`, ascending. */
  async *list(after: number): AsyncGenerator<{ number: number; size: number }> {
    if (!this.#isOpen) await this.#open()
    if (this.#readOn()) await this.#files.goOn()
    await this.#files.forgetRemoved()
    // Numbers are taken about in their order: mostly there is one file to choose from.
    const waiting = this.#files.all
      .map((file) => ({ file, first: this.#files.numbersOf(file).first ?? Number.POSITIVE_INFINITY }))
      .sort((a, b) => a.first - b.first)
    const open = new Set<JournalFile>()
    for (let last = after; ; ) {
      let next: { number: number; length: number } | undefined
      for (const file of open) {
        while (await this.#files.load(file)) if (file.isLoaded) break
        const found = file.isLoaded ? nextOf(file, last) : undefined
        if (found === undefined) open.delete(file)
        else if (next === undefined || found.number < next.number) next = found
      }
      const [first] = waiting
      if (first !== undefined && first.first < Number.POSITIVE_INFINITY && (!next || first.first <= next.number)) {
        open.add(first.file)
        waiting.shift()
        continue
      }
      if (next === undefined) return
      yield { number: next.number, size: next.length }
      last = next.number
    }
  }

  /** Deletes objects; a missing one is no error. Files in which nothing is left are removed. */
  async delete(numbers: readonly number[]): Promise<void> {
    if (!this.#isOpen) await this.#open()
    if (this.#readOn()) await this.#files.goOn()
    const files = new Set<JournalFile>()
    const doomed: number[] = []
    for (const number of numbers) {
      const file = this.#files.fileOf(number)
      if (file === undefined) continue
      while (await this.#files.load(file)) if (file.isLoaded) break
      if (!file.isLoaded || file.contents.find(number) === undefined || file.deleted.has(number)) continue
      files.add(file)
      doomed.push(number)
    }
    for (let at = 0; at < doomed.length; at += deletionsMax)
      await this.#deleteTogether(doomed.slice(at, at + deletionsMax))
    for (const file of files) {
      if (!this.#isEmpty(file)) continue
      await this.#files.drop(file, true)
      await this.#bodies.removeOf(file.ordinal)
    }
  }

  /** The last number that somebody else took since this was asked before, if any. */
  news(): number | undefined {
    if (!this.#isOpen || this.#isClosed) return undefined
    if (this.#readOn()) this.#inBackground('go on', this.#files.goOn())
    const news = this.#news
    this.#news = undefined
    return news
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opened?.catch(() => undefined)
    await Promise.all(this.#background)
    this.#files.close()
    this.#bodies.close()
  }

  #open(): Promise<void> {
    this.#opened ??= this.#openNow().catch((error: unknown) => {
      // The next request tries again.
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #openNow(): Promise<void> {
    const { isReadOnly, clock, log } = this.#options
    await this.#files.open()
    if (!isReadOnly && this.#files.last?.isInNeedOfRepair) {
      await clock.sleep(repairAfterMs)
      await this.#files.reload()
      const { last } = this.#files
      if (last?.isInNeedOfRepair) {
        log.warn({ file: last.path }, 'what was being written when the machine went down is damaged, and left out')
        await this.#appender.append(last, RecordKind.repair, 0, [])
      }
    }
    this.#isOpen = true
    const oldest = this.#files.all[0]?.ordinal ?? 0
    if (!isReadOnly)
      this.#inBackground(
        'sweep',
        this.#bodies.sweep((ordinal) => ordinal >= oldest),
      )
  }

  /** Reads what has been written meanwhile. True if there may be another file behind the last. */
  #readOn(): boolean {
    const file = this.#files.last
    if (file === undefined) return true
    if (!file.isEnded) this.#options.pace.block(() => file.readOn(this.#visit))
    return file.isEnded
  }

  readonly #visit: RecordVisitor = ({ header, isDamaged }, effect, payload) => {
    if (!this.#appender.found(header, effect) && effect === 'took') this.#news = header.number
    if (header.kind !== RecordKind.deletion || isDamaged) return
    for (const deleted of decodeDeletion(payload())) {
      const file = this.#files.fileOf(deleted)
      // The file that it was in may be gone; of one that is not in memory it is seen when it is loaded.
      if (file !== undefined && (!file.isLoaded || file.contents.find(deleted) !== undefined)) file.deleted.add(deleted)
    }
  }

  async #appendObject(
    file: JournalFile,
    number: number,
    pieces: readonly Uint8Array[],
    length: number,
    body: BodyPlace | undefined,
  ): Promise<RecordEffect | undefined> {
    if (body === undefined) return this.#appender.append(file, RecordKind.object, number, pieces)
    const reference = encodeReference({ length, ...body })
    return this.#appender.append(file, RecordKind.reference, number, [reference], () =>
      this.#bodies.giveBack(body, length),
    )
  }

  #endIfFull(file: JournalFile): void {
    if (file.isEnded) return
    const { bytesMax, objectsMax, objectBytesMax } = this.#options.limits ?? usualLimits
    const { count, bytes } = file.contents
    if (file.end < bytesMax && count < objectsMax && bytes < objectBytesMax) return
    // If that fails, who comes next makes the next one.
    this.#inBackground(
      'begin a file',
      this.#appender.append(file, RecordKind.end, 0, []).then(() => this.#files.begin()),
    )
  }

  async #deleteTogether(numbers: readonly number[]): Promise<void> {
    const payload = [encodeDeletion(numbers)]
    for (;;) {
      if (this.#readOn()) await this.#files.goOn()
      const file = this.#files.last
      if (file === undefined || file.isEnded) await this.#files.begin()
      else if ((await this.#appender.append(file, RecordKind.deletion, 0, payload)) !== undefined) return
    }
  }

  /** Nothing is in it, and nothing can come to be in it. */
  #isEmpty(file: JournalFile): boolean {
    return file.isLoaded && file !== this.#files.last && file.deleted.size >= file.contents.count
  }

  async #read(
    file: JournalFile,
    { position: recordPosition, body }: Place,
    position: number,
    length: number,
    allocate?: Allocate,
  ): Promise<Buffer | undefined> {
    const { pace, clock } = this.#options
    const isRecent = clock.monotonic() - file.endedAtMs < cachedMs
    if (body !== undefined) return this.#bodies.read(body.name, body.position + position, length, isRecent, allocate)
    const from = recordPosition + recordHeaderBytes + position
    if (isRecent && pace.mayBlock())
      return pace.block(() => file.descriptor.useNow((fd) => readAllBlocking(fd, from, length, allocate)))
    return file.descriptor.use((fd) => readAll(fd, from, length, allocate))
  }

  #inBackground(what: string, work: Promise<void>): void {
    const { log, folder } = this.#options
    const reported = work
      .catch((error: unknown) => log.warn({ folder }, `the journal can't ${what}: ${messageOf(error)}`))
      .finally(() => this.#background.delete(reported))
    this.#background.add(reported)
  }
}

/** The first object that is still there behind that number. */
function nextOf(file: JournalFile, after: number): { number: number; length: number } | undefined {
  for (let found = file.contents.from(after + 1); found !== undefined; found = file.contents.from(found.number + 1))
    if (!file.deleted.has(found.number)) return found
  return undefined
}

/** The part of the range that an object of `size` bytes has. */
function within(size: number, range: ByteRange | undefined): ByteRange {
  if (range === undefined) return { position: 0, length: size }
  const position = Math.min(range.position, size)
  return { position, length: Math.min(range.length, size - position) }
}
