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
  assert.deepEqual({ ...index, chunks: undefined }, { topicId, partition: 3, baseOffset: 40, chunks: undefined })
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
