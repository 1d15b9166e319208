import { createRequire } from 'node:module'
import type * as native from '@node-rs/crc32'
import type * as script from 'crc-32'

/** CRC-32C of `bytes`, unsigned; with the checksum of what came before as `previous`, that of both together. */
export type Crc32c = (bytes: Uint8Array, previous?: number) => number

const require = createRequire(import.meta.url)

/**
 * The checksum of record batches: CRC-32C (Castagnoli), by the native package where it has a binary. Loaded by the first
 * who asks for one; a start does not.
 */
export const crc32c: Crc32c = (bytes, previous) => {
  loaded ??= nativeCrc32c() ?? scriptCrc32c()
  return loaded(bytes, previous)
}
let loaded: Crc32c | undefined

/** CRC-32C of pieces, as if they were one buffer. Unsigned. */
export function crc32cOf(pieces: readonly Uint8Array[]): number {
  let crc = 0
  for (const piece of pieces) crc = crc32c(piece, crc)
  return crc
}

/** The native implementation, or undefined on a platform that the package has no binary for. */
export function nativeCrc32c(): Crc32c | undefined {
  try {
    return (require('@node-rs/crc32') as typeof native).crc32c
  } catch {
    // Not an error: the script gives the same numbers, at some three times the cost.
    return undefined
  }
}

/** The same in plain JavaScript. */
export function scriptCrc32c(): Crc32c {
  // The package describes its types for its main entry alone; `crc32c` has the same shape.
  const { buf } = require('crc-32/crc32c') as typeof script
  return (bytes, previous = 0) => buf(bytes, previous) >>> 0
}
