import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import type * as script from 'crc-32'

const require = createRequire(import.meta.url)

/** CRC-32 (IEEE) of `bytes`, unsigned; with the checksum of what came before as `previous`, that of both together. */
export type Crc32 = (bytes: Uint8Array, previous?: number) => number

/** By Node.js itself, which has it since 20.15, or else by a package. */
export const crc32: Crc32 = (zlib as Partial<typeof zlib>).crc32 ?? scriptCrc32()

/** CRC-32 of pieces, as if they were one buffer. Unsigned. */
export function crc32Of(pieces: readonly Uint8Array[]): number {
  let crc = 0
  for (const piece of pieces) crc = crc32(piece, crc)
  return crc
}

/** The same in plain JavaScript. */
export function scriptCrc32(): Crc32 {
  const { buf } = require('crc-32') as typeof script
  return (bytes, previous = 0) => buf(bytes, previous) >>> 0
}
