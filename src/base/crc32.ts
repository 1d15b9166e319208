import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import type * as script from 'crc-32'

const require = createRequire(import.meta.url)

/** CRC-32 (IEEE), unsigned: by Node.js itself, which has it since 20.15, or else by a package. */
export const crc32: (bytes: Uint8Array) => number = (zlib as Partial<typeof zlib>).crc32 ?? scriptCrc32()

/** The same in plain JavaScript. */
export function scriptCrc32(): (bytes: Uint8Array) => number {
  const { buf } = require('crc-32') as typeof script
  return (bytes) => buf(bytes) >>> 0
}
