import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Allocate } from './object-store.js'

/** File calls of the callback API as promises: measured quicker than `fs.promises` and its FileHandle (bench/store.ts). */
export const open = promisify(fs.open)
export const close = promisify(fs.close)
export const fstat = promisify(fs.fstat)
export const fdatasync = promisify(fs.fdatasync)
export const fsync = promisify(fs.fsync)
export const link = promisify(fs.link)
export const lstat = promisify(fs.lstat)
export const mkdir = promisify(fs.mkdir)
export const opendir = promisify(fs.opendir)
export const readdir = promisify(fs.readdir)
export const rmdir = promisify(fs.rmdir)
export const unlink = promisify(fs.unlink)
const read = promisify(fs.read)
const writev = promisify(fs.writev)
const writevAt: (fd: number, pieces: readonly Uint8Array[], position: number) => Promise<{ bytesWritten: number }> =
  promisify(fs.writev)

/**
 * Most that one call writes, bytes. Linux takes memory for the page cache in pieces as large as the call, up to 2 MiB. What a
 * virtual machine has free in large pieces it has lent to its host (free page reporting), and gets it back page by page
 * while it is filled: there a GB by calls of 4 MiB took 2.6 s of CPU, by calls of 256 KiB, which small pieces do
 * for, 0.23 s (bench/store.ts). Calls of 1 MiB cost a tenth less than those of 256 KiB, which make four times as many ways
 * through the thread pool, be memory lent or not; calls of 64 KiB a fifth more.
 */
const callBytesMax = 1024 * 1024

/** Writes the pieces, one after the other, at the file's current position. */
export async function writeAll(fd: number, pieces: readonly Uint8Array[]): Promise<void> {
  for (let rest = pieces; rest.length > 0; ) rest = after(rest, (await writev(fd, beginning(rest))).bytesWritten)
}

/** Writes the pieces by one call, which may write fewer bytes than they have; how many. */
export async function writeOnce(fd: number, pieces: readonly Uint8Array[]): Promise<number> {
  return (await writev(fd, pieces)).bytesWritten
}

/** Writes the pieces, one after the other, from `position` on. */
export async function writeAllAt(fd: number, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let at = position
  for (let rest = pieces; rest.length > 0; ) {
    const { bytesWritten } = await writevAt(fd, beginning(rest), at)
    rest = after(rest, bytesWritten)
    at += bytesWritten
  }
}

/** As `writeAllAt`, on the calling thread; each call is made by `inCall`. */
export function writeAllAtBlocking(
  fd: number,
  pieces: readonly Uint8Array[],
  position: number,
  inCall: (call: () => number) => number,
): void {
  let at = position
  for (let rest = pieces; rest.length > 0; ) {
    const now = beginning(rest)
    const bytesWritten = inCall(() => fs.writevSync(fd, now, at))
    rest = after(rest, bytesWritten)
    at += bytesWritten
  }
}

/** As `writeAll`, on the calling thread. */
export function writeAllBlocking(fd: number, pieces: readonly Uint8Array[]): void {
  for (let rest = pieces; rest.length > 0; ) rest = after(rest, fs.writevSync(fd, beginning(rest)))
}

/** Reads `length` bytes from `position`, fewer only at the file's end. */
export async function readAll(
  fd: number,
  position: number,
  length: number,
  allocate: Allocate = Buffer.allocUnsafeSlow,
): Promise<Buffer> {
  const buffer = allocate(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await read(fd, buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** As `readAll`, on the calling thread. */
export function readAllBlocking(
  fd: number,
  position: number,
  length: number,
  allocate: Allocate = Buffer.allocUnsafeSlow,
): Buffer {
  const buffer = allocate(length)
  let filled = 0
  while (filled < length) {
    const bytesRead = fs.readSync(fd, buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** As much of the pieces as one call writes. */
function beginning(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  let bytes = 0
  for (const [index, piece] of pieces.entries()) {
    bytes += piece.length
    if (bytes > callBytesMax)
      return [...pieces.slice(0, index), piece.subarray(0, piece.length - (bytes - callBytesMax))]
  }
  return pieces
}

/** What is left of the pieces once `written` bytes of them are. */
function after(pieces: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let skipped = 0
  for (const [index, piece] of pieces.entries()) {
    if (skipped + piece.length > written) return [piece.subarray(written - skipped), ...pieces.slice(index + 1)]
    skipped += piece.length
  }
  return []
}
