import fs from 'node:fs'
import type { Clock } from '../../../base/clock.js'
import { errnoOf } from '../errno.js'
import { Contents } from './contents.js'
import { Descriptor } from './descriptor.js'
import { type FileHeader, readFileHeader } from './file-header.js'
import { Numbers } from './numbers.js'
import { decodeDeletion, decodeReference, type RecordHeader, RecordKind } from './record.js'
import { type FoundRecord, RecordScanner } from './scanner.js'

/** So much is read before other work gets a turn, bytes, when a file is read from its beginning. */
const bytesPerTurn = 2 * 1024 * 1024

/** What a record did: gave an object its number, came too late for that, or something else. */
export type RecordEffect = 'took' | 'lost' | 'other'

/** Is told of each record, in their order. */
export type RecordVisitor = (found: FoundRecord, effect: RecordEffect, payload: () => Buffer) => void

export interface JournalFileOptions {
  path: string
  /** Its number among the journal's files. */
  ordinal: number
  clock: Clock
  isReadOnly: boolean
  /** Whether a record is known to have been written in full. */
  isWritten(header: RecordHeader): boolean
}

/** What is in memory of a file. */
interface Loaded {
  descriptor: Descriptor
  scanner: RecordScanner
  contents: Contents
  /** Numbers that objects in it and in files before it have. */
  taken: Numbers
}

/**
 * One file of a journal. Its records count in their order: of several objects of one number the first does, of several
 * ends too. So whoever reads it comes to the same contents.
 */
export class JournalFile {
  readonly path: string
  readonly ordinal: number
  readonly mark: Buffer
  /** Numbers of objects in files before it. */
  readonly takenBefore: Numbers
  readonly #options: JournalFileOptions
  readonly #headerBytes: number
  #loaded: Loaded | undefined
  #loading: Promise<boolean> | undefined
  /** Numbers of its objects that have been deleted. */
  readonly deleted = new Set<number>()
  /** Nothing that comes behind counts. */
  isEnded = false
  /** When that was found, by the monotonic clock. */
  endedAtMs = Number.POSITIVE_INFINITY
  /** What stands before this position is known to be on the disk. */
  flushedTo = 0
  /** Numbers of objects that are not what was written. */
  readonly #damaged = new Set<number>()
  #firstDamagedAt = Number.POSITIVE_INFINITY
  #isVouchedFor = false

  private constructor(options: JournalFileOptions, header: FileHeader) {
    this.#options = options
    this.path = options.path
    this.ordinal = options.ordinal
    this.mark = header.mark
    this.takenBefore = header.taken
    this.#headerBytes = header.length
  }

  /**
   * Reads a file's header; undefined if there is no such file.
   * @throws CorruptObjectError if it is no journal's; the system's error.
   */
  static open(options: JournalFileOptions): JournalFile | undefined {
    const fd = openIfThere(options.path, fs.constants.O_RDONLY)
    if (fd === undefined) return undefined
    try {
      const read = (length: number) => {
        const bytes = Buffer.alloc(length)
        return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, 0))
      }
      return new JournalFile(options, readFileHeader(options.path, read))
    } finally {
      fs.closeSync(fd)
    }
  }

  get isLoaded(): boolean {
    return this.#loaded !== undefined
  }

  /** Up to where its records are known; while it is loaded. */
  get end(): number {
    return this.#here.scanner.position
  }

  /** What is in it; while it is loaded. */
  get contents(): Contents {
    return this.#here.contents
  }

  /** Numbers that objects in it and in files before it have; while it is loaded. */
  get taken(): Numbers {
    return this.#here.taken
  }

  /** Something is damaged that nobody can have been told of: it was being written when the machine went down. */
  get isInNeedOfRepair(): boolean {
    return this.#firstDamagedAt < Number.POSITIVE_INFINITY && !this.#isVouchedFor && !this.isEnded
  }

  isDamaged(number: number): boolean {
    return this.#damaged.has(number)
  }

  get #here(): Loaded {
    if (this.#loaded === undefined) throw new Error(`${this.path} is not in memory`)
    return this.#loaded
  }

  /**
   * Brings the file into memory, unless it is there; false if it has been removed. While it is read, other work gets turns.
   * @throws the system's error.
   */
  load(visit?: RecordVisitor): Promise<boolean> {
    if (this.#loaded !== undefined) return Promise.resolve(true)
    this.#loading ??= this.#load(visit).finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(visit: RecordVisitor | undefined): Promise<boolean> {
    const { isReadOnly, isWritten, clock } = this.#options
    const { O_RDONLY, O_RDWR, O_APPEND } = fs.constants
    const fd = openIfThere(this.path, isReadOnly ? O_RDONLY : O_RDWR | O_APPEND)
    if (fd === undefined) return false
    const read = (into: Buffer, length: number, position: number) => fs.readSync(fd, into, 0, length, position)
    const scanner = new RecordScanner(read, this.mark, this.#headerBytes, isWritten)
    const descriptor = new Descriptor(fd)
    const loaded = { descriptor, scanner, contents: new Contents(), taken: new Numbers(this.takenBefore.bounds()) }
    this.isEnded = false
    this.#forgetDamage()
    try {
      while (this.#readOn(loaded, bytesPerTurn, visit)) await new Promise<void>((resolve) => clock.soon(resolve))
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
    for (const number of this.deleted) if (loaded.contents.find(number) === undefined) this.deleted.delete(number)
    this.#loaded = loaded
    return true
  }

  /** Its descriptor, while it is loaded. */
  get descriptor(): Descriptor {
    return this.#here.descriptor
  }

  /** Leaves the memory to others. */
  unload(): void {
    this.#here.descriptor.close()
    this.#loaded = undefined
  }

  /** Reads records that have come since it was last read. */
  readOn(visit: RecordVisitor): void {
    this.#readOn(this.#here, Number.POSITIVE_INFINITY, visit)
  }

  /** Whether there is more to read. */
  #readOn(loaded: Loaded, bytesMax: number, visit: RecordVisitor | undefined): boolean {
    for (const from = loaded.scanner.position; loaded.scanner.position - from < bytesMax; ) {
      if (this.isEnded) return false
      const found = loaded.scanner.next()
      if (found === undefined) return false
      const effect = this.#apply(found, loaded)
      visit?.(found, effect, () => loaded.scanner.payloadOf(found))
    }
    return true
  }

  #apply(found: FoundRecord, { contents, taken, scanner }: Loaded): RecordEffect {
    const { header, position, isDamaged } = found
    const { kind, number } = header
    if (isDamaged) {
      this.#firstDamagedAt = Math.min(this.#firstDamagedAt, position)
      if (kind !== RecordKind.object && kind !== RecordKind.reference) return 'other'
    } else if (kind === RecordKind.repair) {
      if (!this.#isVouchedFor)
        for (const damaged of this.#damaged) {
          contents.remove(damaged)
          taken.remove(damaged)
        }
      if (!this.#isVouchedFor) this.#forgetDamage()
      return 'other'
    } else if (!header.flushes || header.flushedTo > this.#firstDamagedAt) {
      // Whoever wrote this had found all before it sound, or may have been told of what comes after the damage.
      if (this.#firstDamagedAt < Number.POSITIVE_INFINITY) this.#isVouchedFor = true
    }
    if (kind === RecordKind.end) {
      this.isEnded = true
      if (this.endedAtMs === Number.POSITIVE_INFINITY) this.endedAtMs = this.#options.clock.monotonic()
    }
    if (kind === RecordKind.deletion)
      for (const own of decodeDeletion(scanner.payloadOf(found)))
        if (contents.find(own) !== undefined) this.deleted.add(own)
    if (kind !== RecordKind.object && kind !== RecordKind.reference) return 'other'
    if (taken.has(number)) return 'lost'
    taken.add(number)
    if (isDamaged) this.#damaged.add(number)
    if (kind === RecordKind.reference && !isDamaged) {
      const { length, ...body } = decodeReference(scanner.payloadOf(found))
      contents.add(number, { position, length, body })
    } else contents.add(number, { position, length: header.payloadLength })
    return 'took'
  }

  #forgetDamage(): void {
    this.#damaged.clear()
    this.#firstDamagedAt = Number.POSITIVE_INFINITY
    this.#isVouchedFor = false
  }
}

function openIfThere(path: string, flags: number): number | undefined {
  try {
    return fs.openSync(path, flags)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
