import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeRecordHeader, payloadChecksum, RecordKind, recordEnd, recordHeaderBytes } from './record.js'
import { RecordScanner } from './scanner.js'

const mark = Buffer.from('81a3c5e7f1b3d597', 'hex')

function record(number: number, payload: Buffer, itsMark = mark): Buffer {
  const header = encodeRecordHeader(itsMark, {
    kind: RecordKind.object,
    payloadLength: payload.length,
    number,
    writerHigh: 1,
    writerLow: 2,
    attempt: number,
    flushes: true,
    flushedTo: 0,
    payloadChecksum: payloadChecksum([payload]),
  })
  return Buffer.concat([header, payload, recordEnd])
}

/** A scanner of bytes that grow as a file does. */
function scannerOf(isWritten = false, itsMark = mark) {
  let file = Buffer.alloc(0)
  const read = (into: Buffer, length: number, position: number) => file.copy(into, 0, position, position + length)
  const scanner = new RecordScanner(read, itsMark, 0, () => isWritten)
  const all = () => {
    const found: number[] = []
    for (let next = scanner.next(); next !== undefined; next = scanner.next())
      found.push(next.isDamaged ? -next.header.number : next.header.number)
    return found
  }
  return {
    scanner,
    append: (bytes: Buffer) => {
      file = Buffer.concat([file, bytes])
    },
    all,
  }
}

const sizes = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 300 }), fc.integer({ min: 60_000, max: 70_000 }))
/** A record, and how much of it was written before its writer died. */
const written = fc.record({
  size: sizes,
  part: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 0.999, noNaN: true })),
})

/**
 * The bytes of such records, numbered from 1. Of two in a row that were cut off the second has its header: the beginning of
 * one that has not can't be told from damage to the end of the first.
 */
function bytesOf(records: readonly { size: number; part: number }[], filler: number): Buffer[] {
  return records.map(({ size, part }, index) => {
    const whole = record(index + 1, Buffer.alloc(size, filler))
    if (part === 1) return whole
    const isSecond = (records[index - 1]?.part ?? 1) < 1
    return whole.subarray(0, Math.max(Math.floor(whole.length * part), isSecond ? recordHeaderBytes : 0))
  })
}

const wholeOf = (records: readonly { part: number }[]) =>
  records.flatMap(({ part }, index) => (part === 1 ? [index + 1] : []))

test('of records that were cut off, and of whole ones among them, the whole ones are found, in their order', () => {
  fc.assert(
    fc.property(fc.array(written, { maxLength: 12 }), fc.nat(255), (records, filler) => {
      const file = scannerOf()
      let found: number[] = []
      for (const [index, bytes] of bytesOf(records, filler).entries()) {
        file.append(bytes)
        // Whoever looks now and then finds the same as who looks once.
        if (index % 3 === 0) found = [...found, ...file.all()]
      }
      assert.deepEqual([...found, ...file.all()], wholeOf(records))
    }),
  )
})

test('a record is found whatever is written between two reads of one look', () => {
  const step = fc.oneof(fc.constant(0), fc.nat(60), fc.nat(200_000))
  const steps = fc.array(step, { maxLength: 40 }).map((some) => [...some, 1_000])
  fc.assert(
    fc.property(fc.array(written, { minLength: 1, maxLength: 8 }), steps, (records, growth) => {
      const file = Buffer.concat(bytesOf(records, 7))
      let end = 0
      let reads = 0
      const read = (into: Buffer, length: number, position: number) => {
        const seen = end
        // Its writers go on before the next read.
        end = Math.min(file.length, end + (growth[reads++ % growth.length] as number))
        return file.copy(into, 0, position, Math.min(position + length, seen))
      }
      const scanner = new RecordScanner(read, mark, 0, () => false)
      const found: number[] = []
      for (let isAtEnd = false; ; ) {
        const next = scanner.next()
        if (next !== undefined) found.push(next.isDamaged ? -next.header.number : next.header.number)
        else if (isAtEnd) break
        else isAtEnd = end === file.length
      }
      assert.deepEqual(found, wholeOf(records))
    }),
    { numRuns: 1_000 },
  )
})

test('whatever is missing of a record, the beginning of the next is not taken for it', () => {
  // Payloads that end as the mark begins, so that with the next record's beginning their checksums are right.
  for (let missing = 1; missing <= 20; missing++) {
    const file = scannerOf()
    const payload = Buffer.concat([Buffer.from('x'), mark, Buffer.alloc(12)]).subarray(0, Math.max(missing - 1, 1))
    const cut = record(1, payload)
    file.append(cut.subarray(0, cut.length - missing))
    file.append(record(2, Buffer.from('whole')))
    assert.deepEqual(file.all(), [2], `${missing} bytes are missing`)
  }
  for (let byte = 0x80; byte <= 0xff; byte++) {
    const other = Buffer.alloc(8, byte)
    const file = scannerOf(false, other)
    const cut = record(1, Buffer.from([byte, byte]), other)
    file.append(cut.subarray(0, recordHeaderBytes - 1))
    file.append(record(2, Buffer.alloc(0), other))
    assert.deepEqual(file.all(), [2], `the mark is of ${byte}`)
  }
})

test('what is being written is waited for, byte by byte', () => {
  const file = scannerOf()
  const bytes = record(1, Buffer.from('payload'))
  for (const byte of bytes.subarray(0, -1)) {
    file.append(Buffer.from([byte]))
    assert.deepEqual(file.all(), [])
  }
  file.append(bytes.subarray(-1))
  assert.deepEqual(file.all(), [1])
})

test('a record that is all there and not what was written is told as damaged, and what comes behind is found', () => {
  const file = scannerOf()
  const damaged = record(2, Buffer.alloc(100_000, 'x'))
  damaged[recordHeaderBytes + 70_000] = 0
  file.append(Buffer.concat([record(1, Buffer.from('a')), damaged, record(3, Buffer.from('b'))]))
  assert.deepEqual(file.all(), [1, -2, 3])
})

test('bytes that only look like the beginning of a record are passed over', () => {
  const file = scannerOf()
  const lookalike = Buffer.concat([mark, Buffer.alloc(60)])
  file.append(Buffer.concat([lookalike, mark.subarray(0, 5), record(1, lookalike), lookalike]))
  assert.deepEqual(file.all(), [1])
  file.append(record(2, Buffer.alloc(0)))
  assert.deepEqual(file.all(), [2])
})

test('of a record that is known to be whole only the header is read', () => {
  const file = scannerOf(true)
  const mine = record(1, Buffer.alloc(1_000))
  mine[recordHeaderBytes] = 1
  file.append(mine)
  assert.deepEqual(file.all(), [1])
  assert.equal(file.scanner.position, mine.length)
})
