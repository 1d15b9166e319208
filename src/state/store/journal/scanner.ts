import { crc32 } from '../../../base/crc32.js'
import { decodeRecordHeader, type RecordHeader, recordEnd, recordHeaderBytes } from './record.js'

/** Reads up to `length` bytes at a position of the file, fewer only at its end, into `into`; how many. */
export type ReadAt = (into: Buffer, length: number, position: number) => number

export interface FoundRecord {
  header: RecordHeader
  /** Where its header begins, and where the next record's does. */
  position: number
  end: number
  /** All its bytes are there, and some are not what was written. */
  isDamaged: boolean
}

/** Read at once when records of others are looked for, bytes. */
const chunkBytes = 64 * 1024

/**
 * Finds a journal's records one after the other, as far as they have been written.
 *
 * Appends to a file are made one after the other, each behind the one before (O_APPEND), by several processes, which may
 * die in between. So what is at the end and not whole may be on its way, or may stay so for ever; but once a record
 * stands behind it, whatever it is, it is over. What is not whole is passed over then.
 */
export class RecordScanner {
  readonly #read: ReadAt
  readonly #mark: Uint8Array
  readonly #isWritten: (header: RecordHeader) => boolean
  /** What was read last: `#filled` bytes from `#start` on. */
  readonly #chunk = Buffer.allocUnsafeSlow(chunkBytes)
  #start = 0
  #filled = 0
  /** Where the next record is looked for. */
  position: number

  /**
   * @param position where the first record begins, or is to begin.
   * @param isWritten whether a record is known to be whole, so that its payload need not be read.
   */
  constructor(read: ReadAt, mark: Uint8Array, position: number, isWritten: (header: RecordHeader) => boolean) {
    this.#read = read
    this.#mark = mark
    this.position = position
    this.#isWritten = isWritten
  }

  /** The next record, or undefined if there is none yet. */
  next(): FoundRecord | undefined {
    for (;;) {
      const { position } = this
      if (!this.#hasHeader(position)) return undefined
      const header = decodeRecordHeader(this.#mark, this.#chunk.subarray(0, this.#filled), position - this.#start)
      if (header === undefined) {
        const behind = this.#recordBetween(position + 1, Number.POSITIVE_INFINITY)
        if (behind === undefined) return undefined
        this.position = behind
        continue
      }
      const end = position + recordHeaderBytes + header.payloadLength + recordEnd.length
      const payload = this.#isWritten(header) ? 'whole' : this.#judge(header, position + recordHeaderBytes)
      if (payload !== 'whole') {
        const behind = this.#recordBetween(position + 1, payload === 'short' ? Number.POSITIVE_INFINITY : end)
        if (behind !== undefined) {
          this.position = behind
          continue
        }
        if (payload === 'short') return undefined
      }
      this.position = end
      return { header, position, end, isDamaged: payload === 'damaged' }
    }
  }

  /** The payload of a record that was found. */
  payloadOf({ position, header }: FoundRecord): Buffer {
    const bytes = Buffer.allocUnsafe(header.payloadLength)
    return bytes.subarray(0, this.#read(bytes, bytes.length, position + recordHeaderBytes))
  }

  /** Whether the file has as many bytes there as a header; then they are in the chunk. */
  #hasHeader(position: number): boolean {
    if (this.#has(position, recordHeaderBytes)) return true
    // Most looks are for what has just been written here, or for what is not there yet: little is read for that.
    this.#start = position
    this.#filled = this.#read(this.#chunk, recordHeaderBytes, position)
    return this.#filled === recordHeaderBytes
  }

  #judge(header: RecordHeader, position: number): 'whole' | 'short' | 'damaged' {
    let checksum = 0
    for (let at = position, end = position + header.payloadLength; at < end; ) {
      const found = this.#at(at, Math.min(end - at, chunkBytes))
      if (found.length === 0) return 'short'
      const part = found.subarray(0, end - at)
      checksum = crc32(part, checksum)
      at += part.length
    }
    const [last] = this.#at(position + header.payloadLength, recordEnd.length)
    if (last === undefined) return 'short'
    return last === recordEnd[0] && checksum === header.payloadChecksum ? 'whole' : 'damaged'
  }

  /** Where the first record begins from `from` on and before `end`. */
  #recordBetween(from: number, end: number): number | undefined {
    for (let at = from; at < end; ) {
      const found = this.#at(at, chunkBytes)
      if (found.length < recordHeaderBytes) return undefined
      for (let index = found.indexOf(this.#mark); index >= 0; index = found.indexOf(this.#mark, index + 1)) {
        if (at + index >= end) return undefined
        if (index + recordHeaderBytes > found.length) break
        if (decodeRecordHeader(this.#mark, found, index) !== undefined) return at + index
      }
      at += found.length - recordHeaderBytes + 1
    }
    return undefined
  }

  /** What there is at a position: `length` bytes or more, fewer only at the file's end. At most one chunk. */
  #at(position: number, length: number): Buffer {
    if (!this.#has(position, length)) {
      this.#start = position
      this.#filled = this.#read(this.#chunk, chunkBytes, position)
    }
    return this.#chunk.subarray(position - this.#start, this.#filled)
  }

  #has(position: number, length: number): boolean {
    return position >= this.#start && position + length <= this.#start + this.#filled
  }
}
