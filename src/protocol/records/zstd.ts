import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import zlib from 'node:zlib'
import { RecordError } from './record-error.js'

interface Zstd {
  compress(bytes: Buffer): Buffer
  /** Unpacks one frame; throws if it holds more than `sizeMax` bytes. A content size it states is no larger. */
  decompress(frame: Buffer, sizeMax: number): Buffer
}

let loaded: Zstd | undefined

/** Loaded at first use: most processes never look into a batch. */
function zstd(): Zstd {
  loaded ??= nodeZstd() ?? wasmZstd()
  return loaded
}

/** Compresses to one frame, at zstd's default level. */
export function zstdCompress(bytes: Buffer): Buffer {
  return zstd().compress(bytes)
}

/**
 * Decompresses zstd frames to at most `bytesMax` bytes.
 * @throws RecordError when there is more, or for bytes that are not zstd.
 */
export function zstdDecompress(bytes: Buffer, bytesMax: number): Buffer {
  const library = zstd()
  const pieces: Buffer[] = []
  let left = bytesMax
  for (const { frame, contentSize, sizeMax } of framesIn(bytes)) {
    if (contentSize !== undefined && contentSize > left)
      throw new RecordError(`zstd data unpacks to more than ${bytesMax} bytes`)
    let piece: Buffer
    try {
      piece = library.decompress(frame, Math.min(contentSize ?? sizeMax, left))
    } catch (cause) {
      throw new RecordError(`invalid zstd data, or more than ${bytesMax} bytes of it`, { cause })
    }
    left -= piece.length
    if (left < 0) throw new RecordError(`zstd data unpacks to more than ${bytesMax} bytes`)
    pieces.push(piece)
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
}

/** Node 22.15 and later has zstd itself. */
function nodeZstd(): Zstd | undefined {
  // The types are those of the oldest Node that is supported, which has no zstd.
  const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as {
    zstdCompressSync?: (bytes: Buffer) => Buffer
    zstdDecompressSync?: (bytes: Buffer, options: { maxOutputLength: number }) => Buffer
  }
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: (bytes) => zstdCompressSync(bytes),
    // It wants a bound of at least 1.
    decompress: (frame, sizeMax) => zstdDecompressSync(frame, { maxOutputLength: Math.max(sizeMax, 1) }),
  }
}

/** Zstd's own library as WebAssembly, for older Node. */
function wasmZstd(): Zstd {
  const require = createRequire(import.meta.url)
  const entry = require.resolve('@bokuweb/zstd-wasm')
  const { compress, decompress } = require(entry) as typeof import('@bokuweb/zstd-wasm')
  // The package initialises itself asynchronously only, and batches are unpacked synchronously, so it is handed its
  // instance here; its dependence on this inner module is why the version is pinned.
  const { Module } = require(join(dirname(entry), 'module.js')) as { Module: EmscriptenModule }
  Module.instantiateWasm = (imports, receive) => {
    const code = new WebAssembly.Module(readFileSync(join(dirname(entry), 'zstd.wasm')))
    receive(new WebAssembly.Instance(code, imports))
    return {}
  }
  Module.init()
  return {
    compress: (bytes) => asBuffer(compress(bytes)),
    decompress: (frame, sizeMax) => asBuffer(decompress(frame, { defaultHeapSize: sizeMax })),
  }
}

interface EmscriptenModule {
  init(): void
  instantiateWasm: (imports: object, receive: (instance: object) => void) => object
}

// The compiler knows WebAssembly only among a browser's types, which are not wanted here.
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object
  Instance: new (module: object, imports: object) => object
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface Frame {
  frame: Buffer
  /** The bytes it unpacks to, where its header says so (Java's does not). */
  contentSize: number | undefined
  /** It can't unpack to more bytes than its blocks hold at most. */
  sizeMax: number
}

// The format: RFC 8878, section 3.
const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a5
const blockBytesMax = 128 * 1024
/** The largest window that a decoder has to keep, as zstd's own tools have it (`--long` aside). */
const windowBytesMax = 128 * 1024 * 1024

/** Walks the frames by their headers and block headers. */
function* framesIn(bytes: Buffer): Generator<Frame, void, undefined> {
  let start = 0
  while (start < bytes.length) {
    const magic = bytes.length - start < 8 ? 0 : bytes.readUInt32LE(start)
    if (magic >>> 4 === skippableMagic) {
      start += 8 + bytes.readUInt32LE(start + 4)
      continue
    }
    if (magic !== frameMagic) throw new RecordError('not a zstd frame')
    const frame = frameAt(bytes, start)
    yield frame
    start += frame.frame.length
  }
  if (start > bytes.length) throw new RecordError('a zstd frame is cut off')
}

function frameAt(bytes: Buffer, start: number): Frame {
  const descriptor = bytes.readUInt8(start + 4)
  const sizeCode = descriptor >> 6
  const isSingleSegment = (descriptor & 0x20) !== 0
  if ((descriptor & 0x03) !== 0) throw new RecordError('a zstd frame needs a dictionary')
  const sizeBytes = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeCode
  let position = start + 5
  const headerEnd = position + (isSingleSegment ? 0 : 1) + sizeBytes
  if (headerEnd > bytes.length) throw new RecordError('a zstd frame is cut off')
  if (!isSingleSegment) {
    const window = bytes.readUInt8(position++)
    const base = 2 ** (10 + (window >> 3))
    if (base + (base / 8) * (window & 7) > windowBytesMax) throw new RecordError('a zstd frame has too large a window')
  }
  const contentSize = sizeBytes === 0 ? undefined : contentSizeAt(bytes, position, sizeBytes)
  position = headerEnd
  let sizeMax = 0
  for (let isLast = false; !isLast; ) {
    if (bytes.length - position < 3) throw new RecordError('a zstd frame is cut off')
    const header = bytes.readUIntLE(position, 3)
    position += 3
    isLast = (header & 1) === 1
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3 || size > blockBytesMax) throw new RecordError('an invalid zstd block')
    position += type === 1 ? 1 : size
    sizeMax += type === 2 ? blockBytesMax : size
  }
  position += (descriptor & 0x04) === 0 ? 0 : 4
  if (position > bytes.length) throw new RecordError('a zstd frame is cut off')
  if (contentSize !== undefined && contentSize > sizeMax)
    throw new RecordError('a zstd frame claims more content than it can have')
  return { frame: bytes.subarray(start, position), contentSize, sizeMax }
}

function contentSizeAt(bytes: Buffer, position: number, sizeBytes: number): number {
  if (sizeBytes === 1) return bytes.readUInt8(position)
  if (sizeBytes === 2) return bytes.readUInt16LE(position) + 256
  if (sizeBytes === 4) return bytes.readUInt32LE(position)
  return bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * 0x1_0000_0000
}
