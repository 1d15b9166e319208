import { createRequire } from 'node:module'
import type * as binding from 'lz4-napi'
import { RecordError } from './record-error.js'

// The frame format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
const frameMagic = 0x184d2204
const frameHeaderBytesMin = 7
const Flag = { blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionaryId: 0x01 } as const
/** No sequence of lz4 gives more bytes than this for each of its own. */
const expansionMax = 255

const require = createRequire(import.meta.url)
let loaded: typeof binding | undefined

/**
 * Loaded at first use: most processes never look into a batch. What it returns is memory of its own, which is freed
 * only when the event loop turns: who unpacks many batches in a row lets it.
 */
function lz4(): typeof binding {
  loaded ??= require('lz4-napi') as typeof binding
  return loaded
}

/** Compresses to one frame of independent blocks, the only kind that Java consumers read. */
export function lz4Compress(bytes: Buffer): Buffer {
  return lz4().compressFrameSync(bytes)
}

/**
 * Decompresses one lz4 frame to at most `bytesMax` bytes.
 * @throws RecordError when there is more, or for bytes that are not such a frame.
 */
export function lz4Decompress(bytes: Buffer, bytesMax: number): Buffer {
  // The library has no bound of its own: what the blocks could hold at most is known before any is unpacked.
  const { sizeMax, blockSizeMax } = frameBounds(bytes)
  if (sizeMax - blockSizeMax > bytesMax) throw new RecordError(`an lz4 frame unpacks to more than ${bytesMax} bytes`)
  const library = lz4()
  let unpacked: Buffer
  try {
    unpacked = library.decompressFrameSync(bytes)
  } catch (cause) {
    throw new RecordError('invalid lz4 data', { cause })
  }
  if (unpacked.length > bytesMax) throw new RecordError(`an lz4 frame unpacks to more than ${bytesMax} bytes`)
  return unpacked
}

/** Walks the frame's blocks: an upper bound of what they unpack to, and the largest block the frame may have. */
function frameBounds(bytes: Buffer): { sizeMax: number; blockSizeMax: number } {
  if (bytes.length < frameHeaderBytesMin || bytes.readUInt32LE(0) !== frameMagic)
    throw new RecordError('not an lz4 frame')
  const flags = bytes.readUInt8(4)
  const blockSizeCode = (bytes.readUInt8(5) >> 4) & 0x07
  if (flags >> 6 !== 1 || blockSizeCode < 4) throw new RecordError('an lz4 frame of an unknown kind')
  if ((flags & Flag.dictionaryId) !== 0) throw new RecordError('an lz4 frame needs a dictionary')
  const blockSizeMax = 2 ** (8 + 2 * blockSizeCode)
  const blockTrailer = (flags & Flag.blockChecksum) === 0 ? 0 : 4
  let position = frameHeaderBytesMin + ((flags & Flag.contentSize) === 0 ? 0 : 8)
  let sizeMax = 0
  for (;;) {
    if (bytes.length - position < 4) throw new RecordError('an lz4 frame is cut off')
    const word = bytes.readUInt32LE(position)
    position += 4
    if (word === 0) break
    const length = word & 0x7fffffff
    if (length > blockSizeMax || length > bytes.length - position) throw new RecordError('an lz4 block is too long')
    sizeMax += word > 0x7fffffff ? length : Math.min(length * expansionMax, blockSizeMax)
    position += length + blockTrailer
  }
  position += (flags & Flag.contentChecksum) === 0 ? 0 : 4
  if (position !== bytes.length) throw new RecordError('an lz4 frame is cut off or followed by other bytes')
  return { sizeMax, blockSizeMax }
}
