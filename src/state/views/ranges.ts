import { assert } from '../../base/assert.js'

/** Numbers a range takes in the table. */
const stride = 7
/** Bytes a range takes in a snapshot. */
export const rangeBytes = stride * 8
const BASE_OFFSET = 0
const END_OFFSET = 1
const WRITER = 2
const NUMBER = 3
const POSITION = 4
const LENGTH = 5
const MAX_TIMESTAMP = 6

/** A run of whole record batches of one partition, adjacent in one object. */
export interface Range {
  baseOffset: number
  /** One past the last record's offset. */
  endOffset: number
  /** The object, as `ObjectRef` names it. */
  writer: number
  number: number
  /** Where the run begins in the object, and its length, bytes. */
  position: number
  length: number
  /** The largest timestamp in the run, milliseconds. */
  maxTimestampMs: number
}

/**
 * The ranges of one partition in the order of their offsets: a table of numbers, since there may be millions of them
 * (an object each would cost four times the memory and make the garbage collector walk them).
 */
export class RangeTable {
  #table = new Float64Array(2 * stride)
  /** First row in use; rows before it were dropped and go when the table grows. */
  #first = 0
  /** One past the last row in use. */
  #last = 0
  /** Bytes of all ranges. */
  bytes = 0
  /** How often ranges were dropped or replaced since this table was made. Not part of the state. */
  changes = 0

  get length(): number {
    return this.#last - this.#first
  }

  at(index: number): Range {
    const row = this.#row(index)
    const t = this.#table
    return {
      baseOffset: t[row + BASE_OFFSET] as number,
      endOffset: t[row + END_OFFSET] as number,
      writer: t[row + WRITER] as number,
      number: t[row + NUMBER] as number,
      position: t[row + POSITION] as number,
      length: t[row + LENGTH] as number,
      maxTimestampMs: t[row + MAX_TIMESTAMP] as number,
    }
  }

  baseOffsetAt(index: number): number {
    return this.#table[this.#row(index) + BASE_OFFSET] as number
  }

  endOffsetAt(index: number): number {
    return this.#table[this.#row(index) + END_OFFSET] as number
  }

  /** The object that holds the range, by its two numbers. */
  writerAt(index: number): number {
    return this.#table[this.#row(index) + WRITER] as number
  }

  numberAt(index: number): number {
    return this.#table[this.#row(index) + NUMBER] as number
  }

  lengthAt(index: number): number {
    return this.#table[this.#row(index) + LENGTH] as number
  }

  maxTimestampAt(index: number): number {
    return this.#table[this.#row(index) + MAX_TIMESTAMP] as number
  }

  /** Adds batches at the end; they join the last range if they follow it in the same object. */
  append(range: Range): void {
    this.bytes += range.length
    if (this.#last > this.#first) {
      const row = (this.#last - 1) * stride
      const t = this.#table
      if (
        t[row + NUMBER] === range.number &&
        t[row + WRITER] === range.writer &&
        (t[row + POSITION] as number) + (t[row + LENGTH] as number) === range.position &&
        t[row + END_OFFSET] === range.baseOffset
      ) {
        t[row + END_OFFSET] = range.endOffset
        t[row + LENGTH] = (t[row + LENGTH] as number) + range.length
        if (range.maxTimestampMs > (t[row + MAX_TIMESTAMP] as number)) t[row + MAX_TIMESTAMP] = range.maxTimestampMs
        return
      }
    }
    this.#grow()
    this.#write(this.#last++, range)
  }

  /** The index of the range that holds `offset`, or of the first after it; `length` if there is none. */
  find(offset: number): number {
    let low = this.#first
    let high = this.#last
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#table[middle * stride + END_OFFSET] as number) > offset) high = middle
      else low = middle + 1
    }
    return low - this.#first
  }

  /** Forgets the ranges that lie wholly before `offset`. */
  dropBefore(offset: number): void {
    const count = this.find(offset)
    for (let i = 0; i < count; i++) this.bytes -= this.lengthAt(i)
    this.#first += count
    if (count > 0) this.changes++
  }

  /** Puts other ranges, of the same offsets, in the place of `count` ranges from `index` on. */
  replace(index: number, count: number, ranges: readonly Range[]): void {
    assert(index >= 0 && count > 0 && index + count <= this.length, 'replaced ranges are within the table')
    for (let i = index; i < index + count; i++) this.bytes -= this.lengthAt(i)
    const length = this.length - count + ranges.length
    const table = new Float64Array((length + 2) * stride)
    const old = this.#table
    table.set(old.subarray(this.#first * stride, (this.#first + index) * stride))
    table.set(
      old.subarray((this.#first + index + count) * stride, this.#last * stride),
      (index + ranges.length) * stride,
    )
    this.#table = table
    this.#first = 0
    this.#last = length
    for (const [i, range] of ranges.entries()) {
      this.#write(index + i, range)
      this.bytes += range.length
    }
    this.changes++
  }

  toSnapshot(): Buffer {
    return Buffer.from(this.view())
  }

  /** The rows' own memory, which changes with them: to be encoded at once. */
  view(): Buffer {
    const rows = this.#table.subarray(this.#first * stride, this.#last * stride)
    return Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
  }

  static fromSnapshot(bytes: Uint8Array): RangeTable {
    assert(bytes.byteLength % (8 * stride) === 0, 'a range table has whole rows')
    const table = new RangeTable()
    const copy = new Uint8Array(Math.max(bytes.byteLength, 2 * stride * 8))
    copy.set(bytes)
    table.#table = new Float64Array(copy.buffer)
    table.#last = bytes.byteLength / (8 * stride)
    for (let i = 0; i < table.length; i++) table.bytes += table.lengthAt(i)
    return table
  }

  #row(index: number): number {
    assert(index >= 0 && index < this.length, 'a range index is within the table')
    return (this.#first + index) * stride
  }

  #grow(): void {
    if ((this.#last + 1) * stride <= this.#table.length) return
    const rows = this.#table.subarray(this.#first * stride, this.#last * stride)
    const grown = new Float64Array(Math.max(this.length * 2, 2) * stride)
    grown.set(rows)
    this.#table = grown
    this.#last -= this.#first
    this.#first = 0
  }

  #write(row: number, range: Range): void {
    const t = this.#table
    const at = row * stride
    t[at + BASE_OFFSET] = range.baseOffset
    t[at + END_OFFSET] = range.endOffset
    t[at + WRITER] = range.writer
    t[at + NUMBER] = range.number
    t[at + POSITION] = range.position
    t[at + LENGTH] = range.length
    t[at + MAX_TIMESTAMP] = range.maxTimestampMs
  }
}
