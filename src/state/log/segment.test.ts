import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptObjectError } from '../../base/errors.js'
import { decodeRecords, encodeBatch } from '../../protocol/records/record.js'
import { chunkBytes, decodeSegment, SegmentBuilder } from './segment.js'

const topicId = '0123456789abcdef0123456789abcdef'
const batchOf = (value: string | Buffer, timestampMs = 1_000) =>
  encodeBatch({ records: [{ timestampMs, key: null, value: Buffer.from(value), headers: [] }] })

function segmentOf(batches: readonly Buffer[], baseOffset: number) {
  const builder = new SegmentBuilder(topicId, 3, baseOffset)
  for (const [i, batch] of batches.entries()) builder.add(batch, baseOffset + i, baseOffset + i)
  return { builder, bytes: Buffer.concat(builder.finish()) }
}

test('a segment holds its batches with their offsets in place, and an index of its chunks', () => {
  const big = Buffer.alloc(chunkBytes / 2 + 1, 'x')
  const { builder, bytes } = segmentOf([batchOf(big, 9), batchOf(big, 5), batchOf('c', 7), batchOf('d', 8)], 40)
  const index = decodeSegment(bytes, 'key')
  const { chunks: _, ...rest } = index
  assert.deepEqual(rest, { topicId, partition: 3, baseOffset: 40, hasGaps: false })
  assert.deepEqual(index.chunks, builder.chunks)
  assert.deepEqual(
    index.chunks.map(({ endOffset, maxTimestampMs }) => [endOffset, maxTimestampMs]),
    [
      [42, 9],
      [44, 8],
    ],
  )
  const second = index.chunks[1]
  assert.ok(second)
  const [record] = decodeRecords(bytes.subarray(second.position, second.position + batchOf('c').length))
  assert.deepEqual([record?.offset, record?.value?.toString()], [42, 'c'])
})

test('a segment with any byte changed is refused', () => {
  const { bytes } = segmentOf([batchOf('a'), batchOf('b')], 7)
  // The leader epoch of a batch is not covered by its CRC, and means nothing here.
  const epochs = [0, 1].flatMap((i) => [12, 13, 14, 15].map((at) => 4 + i * batchOf('a').length + at))
  for (let at = 0; at < bytes.length; at++) {
    if (epochs.includes(at)) continue
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ 1
    assert.throws(() => decodeSegment(changed, 'key'), CorruptObjectError, `byte ${at}`)
  }
  assert.throws(() => decodeSegment(bytes.subarray(0, -1), 'key'), CorruptObjectError)
})

test('a damaged batch, or one that does not follow, does not get into a segment', () => {
  const builder = new SegmentBuilder(topicId, 0, 5)
  const damaged = batchOf('a')
  damaged[damaged.length - 1] = 255
  assert.throws(() => builder.add(damaged, 5, 5), /checksum/)
  assert.throws(() => builder.add(batchOf('a'), 6, 6), /follows offset 4/)
})

test('however many small batches a segment has, it is a few pieces', () => {
  const builder = new SegmentBuilder(topicId, 0, 0)
  const batches = Array.from({ length: 3_000 }, (_, i) => batchOf(`value ${i}`))
  const large = batchOf(Buffer.alloc(20_000, 'x'))
  for (const [i, batch] of batches.entries()) builder.add(batch, i, i)
  builder.add(large, 3_000, 3_000)
  builder.add(batchOf('last'), 3_001, 3_001)
  const pieces = builder.finish()
  assert.ok(pieces.length < 20, `${pieces.length} pieces`)
  const bytes = Buffer.concat(pieces)
  assert.equal(bytes.length, builder.length)
  decodeSegment(bytes, 'key')
  const at = 4 + batches.slice(0, 2_999).reduce((sum, batch) => sum + batch.length, 0)
  const [record] = decodeRecords(bytes.subarray(at, at + (batches[2_999]?.length ?? 0)))
  assert.deepEqual([record?.offset, record?.value?.toString()], [2_999, 'value 2999'])
})

test('a segment with gaps keeps the offsets of its batches', () => {
  const builder = new SegmentBuilder(topicId, 0, 5)
  builder.skipTo(8)
  builder.add(batchOf('a'), 8, 8)
  builder.skipTo(8)
  builder.add(batchOf('b'), 9, 9)
  builder.skipTo(20)
  const bytes = Buffer.concat(builder.finish())
  const index = decodeSegment(bytes, 'key')
  assert.equal(index.hasGaps, true)
  assert.deepEqual([index.baseOffset, index.chunks.map(({ endOffset }) => endOffset)], [5, [20]])
  const last = 4 + batchOf('a').length
  assert.equal(decodeRecords(bytes.subarray(last, last + batchOf('b').length))[0]?.offset, 9)
  for (const offset of [8, 20]) {
    const moved = Buffer.from(bytes)
    moved.writeBigInt64BE(BigInt(offset), last)
    assert.throws(() => decodeSegment(moved, 'key'), CorruptObjectError)
  }
})
