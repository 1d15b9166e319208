import type { Clock, Timer } from '../../../base/clock.js'
import type { Log } from '../../../base/log.js'
import { Extents } from './extents.js'
import { linuxSystemCalls, type SystemCalls } from './system-calls.js'

/** Less is read: to map it costs about as much as to copy it, bytes (bench/store.ts). */
const windowBytesMin = 256 * 1024 + 1
/** Addresses for windows, bytes: they take memory only while a file is mapped there, and only what is looked at. */
const addressBytes = 128 * 1024 * 1024
/**
 * What has been left stays mapped for so long, milliseconds, unless another window takes its place: which costs the system
 * half as much as to clear it first. A file that is mapped keeps its place on the disk although it has been removed.
 */
const clearedAfterMs = 1_000
/** Windows begin at multiples of so many bytes; a page is no larger. */
const unitBytes = 64 * 1024

/** Bytes of a file, as they are in the page cache. */
export interface FileWindow {
  /** Who has it may change them: the file stays as it is. */
  readonly bytes: Buffer
  /** Nobody looks at them any more. To be called once; what is not released is never used again. */
  release(): void
}

export interface FileWindowsOptions {
  clock: Clock
  log: Log
  /** Makes the system's calls; undefined where it has none that would do. */
  system?: () => SystemCalls | undefined
  /** Addresses for windows, bytes. */
  bytesMax?: number
  /** Less is read, bytes. */
  bytesMin?: number
}

/**
 * Gives pieces of files to be sent from the page cache, without a copy: they are mapped into memory. Of the two copies that the
 * kernel makes for a reader of a file's bytes over a socket it saves one.
 *
 * Only what is in the page cache as a whole: whoever touches a page that is not would wait for the disk, on whatever thread,
 * and be stopped by a signal if the disk fails, where read(2) gives an error. And files must not become shorter.
 *
 * All windows are parts of one piece of memory, over which the files are mapped: memory that V8 knows of comes
 * and goes only by garbage collections, and so much of it would bring one every few milliseconds.
 */
export class FileWindows {
  readonly #options: FileWindowsOptions
  readonly #extents: Extents
  readonly #bytesMax: number
  #system: SystemCalls | undefined
  #isTried = false
  /** More windows may be opened. */
  #isAble = false
  /** What they are parts of, and the position in it, and the address, of the first unit. */
  #memory: Buffer = Buffer.alloc(0)
  #start = 0
  #address = 0
  /** Windows that begin before this unit were left since what is free was cleared. */
  #leftTo = 0
  #clearing: Timer | undefined

  constructor(options: FileWindowsOptions) {
    this.#options = options
    this.#bytesMax = options.bytesMax ?? addressBytes
    this.#extents = new Extents(this.#bytesMax / unitBytes)
  }

  /** Addresses in use, bytes. */
  get usedBytes(): number {
    return this.#bytesMax - this.#extents.free.reduce((sum, { length }) => sum + length, 0) * unitBytes
  }

  /** Whether a window of so many bytes may be had at all. */
  suits(length: number): boolean {
    return length >= (this.#options.bytesMin ?? windowBytesMin) && (!this.#isTried || this.#isAble)
  }

  /**
   * The `length` bytes of a file from `position` on; undefined if they are better read, or can't be had so. Takes no longer
   * than microseconds but for the first time.
   */
  open(fd: number, position: number, length: number): FileWindow | undefined {
    const system = this.suits(length) ? this.#ready() : undefined
    if (system === undefined) return undefined
    const { pageBytes } = system
    const skipped = position % pageBytes
    const from = position - skipped
    const mapped = skipped + length
    const cached = system.cachedPages(fd, from, mapped)
    if (cached < 0) this.#isNotAbleTo('the system does not say what the page cache has')
    if (cached !== Math.ceil(mapped / pageBytes)) return undefined
    const units = Math.ceil(mapped / unitBytes)
    const unit = this.#extents.take(units)
    if (unit === undefined) return undefined
    if (!system.mapFile(this.#address + unit * unitBytes, mapped, fd, from)) {
      this.#giveUp(unit, units)
      return undefined
    }
    const start = this.#start + unit * unitBytes + skipped
    return { bytes: this.#memory.subarray(start, start + length), release: () => this.#leave(unit, units) }
  }

  #leave(unit: number, units: number): void {
    this.#extents.give(unit, units)
    this.#leftTo = Math.max(this.#leftTo, unit + units)
    this.#clearing ??= this.#options.clock.after(clearedAfterMs, () => this.#clearLeft())
  }

  /** What has been left and not used again. */
  #clearLeft(): void {
    for (const { start, length } of this.#extents.free) {
      const units = Math.min(length, this.#leftTo - start)
      if (units > 0 && !this.#clear(start, units)) this.#giveUp(start, units)
    }
    this.#leftTo = 0
    this.#clearing = undefined
  }

  #clear(unit: number, units: number): boolean {
    return this.#system?.clear(this.#address + unit * unitBytes, units * unitBytes) ?? false
  }

  #ready(): SystemCalls | undefined {
    if (!this.#isTried) {
      this.#isTried = true
      this.#begin()
    }
    return this.#isAble ? this.#system : undefined
  }

  #begin(): void {
    const { system = linuxSystemCalls } = this.#options
    const found = system()
    if (found === undefined || unitBytes % found.pageBytes !== 0) {
      this.#isNotAbleTo('their pages can not be mapped here')
      return
    }
    // The system gives memory of this size pages only once it is touched.
    this.#memory = Buffer.from(new ArrayBuffer(this.#bytesMax + unitBytes))
    const address = found.addressOf(this.#memory)
    this.#start = (unitBytes - (address % unitBytes)) % unitBytes
    this.#address = address + this.#start
    this.#system = found
    this.#isAble = true
  }

  /** As on other systems, on Linux before 6.5, and in a container that is not allowed to ask. */
  #isNotAbleTo(reason: string): void {
    this.#isAble = false
    this.#options.log.info(`files are read with a copy: ${reason}`)
  }

  /** The system refuses: no more windows. Those that are open stay as they are. */
  #giveUp(unit: number, units: number): void {
    // A mapping that failed may have left nothing there.
    this.#clear(unit, units)
    if (!this.#isAble) return
    this.#isAble = false
    this.#options.log.warn('the system refused to map a file: files are read with a copy from now on')
  }
}
