import { gunzipSync, gzipSync } from 'node:zlib'
import type { Compression } from './batch.js'
import { lz4Compress, lz4Decompress } from './lz4.js'
import { RecordError } from './record-error.js'
import { snappyCompress, snappyDecompress } from './snappy.js'
import { zstdCompress, zstdDecompress } from './zstd.js'

export type CompressionCodec = Exclude<Compression, 'none'>

/** Compresses the records of a batch, in the form that Kafka's own clients read. */
export function compress(codec: CompressionCodec, bytes: Buffer): Buffer {
  switch (codec) {
    case 'gzip':
      return gzipSync(bytes)
    case 'snappy':
      return snappyCompress(bytes)
    case 'lz4':
      return lz4Compress(bytes)
    case 'zstd':
      return zstdCompress(bytes)
  }
}

/**
 * Decompresses the records of a batch, to at most `bytesMax` bytes: a few kilobytes can claim to be gigabytes.
 * @throws RecordError when there is more, or for bytes that are not of that codec.
 */
export function decompress(codec: CompressionCodec, bytes: Buffer, bytesMax: number): Buffer {
  switch (codec) {
    case 'gzip':
      return gzipDecompress(bytes, bytesMax)
    case 'snappy':
      return snappyDecompress(bytes, bytesMax)
    case 'lz4':
      return lz4Decompress(bytes, bytesMax)
    case 'zstd':
      return zstdDecompress(bytes, bytesMax)
  }
}

function gzipDecompress(bytes: Buffer, bytesMax: number): Buffer {
  let unpacked: Buffer
  try {
    // It wants a bound of at least 1.
    unpacked = gunzipSync(bytes, { maxOutputLength: Math.max(bytesMax, 1) })
  } catch (cause) {
    throw new RecordError(`invalid gzip data, or more than ${bytesMax} bytes of it`, { cause })
  }
  if (unpacked.length > bytesMax) throw new RecordError(`gzip data unpacks to more than ${bytesMax} bytes`)
  return unpacked
}
