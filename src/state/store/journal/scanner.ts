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

/** What stands where a record is looked for. */
interface Look {
  /** No header; less than the header says; all, but not what was written; all. */
  state: 'unknown' | 'short' | 'damaged' | 'whole'
  header: RecordHeader | undefined
  /** Where what stands behind it may begin at the latest: where it ends, anywhere if it is not all there, and nowhere without it. */
  end: number
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
      let look = this.#look(position)
      if (look.state !== 'whole') {
        if (look.state !== 'damaged' && typeof this.#behind(position, look.end) !== 'number') return undefined
        // It may have been on its way when it was read, and the one behind it came since. Now it is over.
        this.#filled = 0
        look = this.#look(position)
      }
      const { header, state, end } = look
      const behind = state === 'whole' ? 'none' : this.#behind(position, end)
      if (typeof behind === 'number') this.position = behind
      else if (header === undefined || state === 'short' || behind === 'unclear') return undefined
      else {
        this.position = end
        return { header, position, end, isDamaged: state === 'damaged' }
      }
    }
  }

  /** What stands at a position now. */
  #look(position: number): Look {
    const nowhere = Number.POSITIVE_INFINITY
    if (!this.#hasHeader(position)) return { state: 'unknown', header: undefined, end: position }
    const header = decodeRecordHeader(this.#mark, this.#chunk.subarray(0, this.#filled), position - this.#start)
    if (header === undefined) return { state: 'unknown', header, end: nowhere }
    const state = this.#isWritten(header) ? 'whole' : this.#judge(header, position + recordHeaderBytes)
    const end = position + recordHeaderBytes + header.payloadLength + recordEnd.length
    return { state, header, end: state === 'short' ? nowhere : end }
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

  /** Where the first record begins behind `position` and before `end`; unclear if what may be its beginning is the last there is. */
  #behind(position: number, end: number): number | 'none' | 'unclear' {
    for (let at = position + 1; at < end; ) {
      const found = this.#at(at, chunkBytes)
      const last = found.length - recordHeaderBytes
      for (
        let index = found.indexOf(this.#mark);
        index >= 0 && index <= last;
        index = found.indexOf(this.#mark, index + 1)
      ) {
        if (at + index >= end) return 'none'
        if (decodeRecordHeader(this.#mark, found, index) !== undefined) return at + index
      }
      const isRest = found.length < chunkBytes
      if (isRest) return at + this.#beginningIn(found, Math.max(last + 1, 0)) < end ? 'unclear' : 'none'
      at += last + 1
    }
    return 'none'
  }

  /** Where a header may begin of which the rest is missing, from `from` on; infinite if nowhere. */
  #beginningIn(bytes: Buffer, from: number): number {
    for (let index = from; index < bytes.length; index++) {
      const length = Math.min(this.#mark.length, bytes.length - index)
      if (bytes.compare(this.#mark, 0, length, index, index + length) === 0) return index
    }
    return Number.POSITIVE_INFINITY
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
