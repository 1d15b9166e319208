import { createRequire } from 'node:module'
import type * as binding from 'snappy'
import { RecordError } from './record-error.js'

// Kafka's snappy is the framing of Java's xerial library around blocks of raw snappy: a magic, two versions, then
// each block after its length. Some clients send one raw block instead; readers everywhere take both.
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeader = Buffer.concat([xerialMagic, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])])
/** Bytes of a block before compression, as xerial's library has it. */
const blockBytes = 32 * 1024

/** Memory of the library's own is freed only when the event loop turns: too late for one that unpacks in a row. */
const inOurMemory = { copyOutputData: true }

const require = createRequire(import.meta.url)
let loaded: typeof binding | undefined

/** Loaded at first use: most processes never look into a batch. */
function snappy(): typeof binding {
  loaded ??= require('snappy') as typeof binding
  return loaded
}

/** Compresses as Java producers do. */
export function snappyCompress(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [xerialHeader]
  for (let position = 0; position < bytes.length; position += blockBytes) {
    const block = snappy().compressSync(bytes.subarray(position, position + blockBytes), inOurMemory)
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    pieces.push(length, block)
  }
  return Buffer.concat(pieces)
}

/**
 * Decompresses xerial-framed or raw snappy to at most `bytesMax` bytes.
 * @throws RecordError when there is more, or for bytes that are not snappy.
 */
export function snappyDecompress(bytes: Buffer, bytesMax: number): Buffer {
  if (!startsFrame(bytes, 0)) return rawDecompress(bytes, bytesMax)
  const blocks: Buffer[] = []
  let total = 0
  let position = 0
  while (position < bytes.length) {
    // Streams that were joined have a header in their midst; its first bytes can't be a length, which is positive.
    if (startsFrame(bytes, position)) {
      position += xerialHeader.length
      continue
    }
    const length = bytes.length - position < 4 ? -1 : bytes.readInt32BE(position)
    position += 4
    if (length < 0 || length > bytes.length - position) throw new RecordError('a snappy block is cut off')
    const block = rawDecompress(bytes.subarray(position, position + length), bytesMax - total)
    blocks.push(block)
    total += block.length
    position += length
  }
  return blocks.length === 1 && blocks[0] !== undefined ? blocks[0] : Buffer.concat(blocks, total)
}

function startsFrame(bytes: Buffer, position: number): boolean {
  return (
    bytes.length - position >= xerialHeader.length &&
    bytes.compare(xerialMagic, 0, xerialMagic.length, position, position + xerialMagic.length) === 0
  )
}

function rawDecompress(block: Buffer, bytesMax: number): Buffer {
  const size = rawSize(block)
  if (size > bytesMax) throw new RecordError(`a snappy block unpacks to ${size} bytes, more than the ${bytesMax} left`)
  const library = snappy()
  try {
    return library.uncompressSync(block, inOurMemory) as Buffer
  } catch (cause) {
    throw new RecordError('invalid snappy data', { cause })
  }
}

/** The size that a raw block says it unpacks to, a plain varint at its start; the library holds it to its word. */
function rawSize(block: Buffer): number {
  let size = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return size
  }
  throw new RecordError('a snappy block has no size')
}
