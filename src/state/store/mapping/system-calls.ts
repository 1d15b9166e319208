import { createRequire } from 'node:module'
import type Koffi from 'koffi'

/** The system's calls by which a file's pages come into a process' memory. They take no longer than microseconds. */
export interface SystemCalls {
  /** Positions in files and addresses of mappings are multiples of so many bytes. */
  readonly pageBytes: number
  /** Where the memory of a buffer begins. */
  addressOf(memory: Buffer): number
  /**
   * Puts so many bytes of a file, from `position` on, in the place of the memory at `address`: whoever changes them changes
   * a copy of their page (mmap(2), MAP_PRIVATE | MAP_FIXED). False if the system refuses; what was there may be gone.
   */
  mapFile(address: number, length: number, fd: number, position: number): boolean
  /** Puts memory that is empty, and takes none until somebody writes to it, in the place of that at `address`. */
  clear(address: number, length: number): boolean
  /** How many pages of that part of a file the page cache has (cachestat(2)); -1 if the system does not say. */
  cachedPages(fd: number, position: number, length: number): number
}

const require = createRequire(import.meta.url)

/** Of Linux, on the processors named below. */
const readable = 1
const writable = 2
const isPrivate = 0x02
const isFixed = 0x10
const isAnonymous = 0x20
const isNotReserved = 0x4000
const cachestatNumber = 451

/**
 * Those of Linux on x64 and arm64, through the C library; undefined elsewhere, and where the package has no binary.
 * Takes some 20 ms, and a few MB of memory.
 */
export function linuxSystemCalls(): SystemCalls | undefined {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  let koffi: typeof Koffi
  try {
    koffi = require('koffi') as typeof Koffi
  } catch {
    // Not an error: files are read instead.
    return undefined
  }
  // Of the process itself: whatever C library it has.
  const library = koffi.load(null)
  const mmap = library.func(
    'intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int fd, long at)',
  )
  const syscall = library.func('long syscall(long number, int fd, void *range, void *found, uint flags)')
  const pageBytes = library.func('int getpagesize()')() as number
  // struct cachestat_range { offset, length } and struct cachestat { cached, … }, of 64 bits each.
  const asked = new BigUint64Array(2)
  const found = new BigUint64Array(5)
  return {
    pageBytes,
    addressOf: (memory) => Number(koffi.address(memory)),
    mapFile: (address, length, fd, position) =>
      mmap(address, length, readable | writable, isPrivate | isFixed, fd, position) === address,
    clear(address, length) {
      const flags = isPrivate | isFixed | isAnonymous | isNotReserved
      return mmap(address, length, readable | writable, flags, -1, 0) === address
    },
    cachedPages(fd, position, length) {
      asked[0] = BigInt(position)
      asked[1] = BigInt(length)
      return syscall(cachestatNumber, fd, asked, found, 0) === 0 ? Number(found[0]) : -1
    },
  }
}
