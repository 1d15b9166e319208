import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptObjectError, UnavailableError } from '../../base/errors.js'
import { checksum, decodeEntry, encodeHead, headLength, type Part, pack, unpack } from './entry.js'

const part = (index: number, text: string): Part => ({
  writer: 7,
  index,
  timeMs: 1_700_000_000_000,
  commands: pack(['command', { text }, 0]),
  bodyLength: 3,
  lanePosition: 0,
})

test('an entry reads back as it was written, with its body behind it', () => {
  const parts = [part(1, 'a'), part(2, 'ü')]
  const head = encodeHead(7, parts)
  const bytes = Buffer.concat([head, Buffer.from('abcdef')])
  const entry = decodeEntry(bytes, 'key')
  assert.equal(entry.writer, 7)
  assert.deepEqual(entry.parts, parts)
  assert.equal(entry.bodyPosition, head.length)
  assert.equal(headLength(bytes, 'key'), head.length)
})

test('any flipped bit in the head of an entry is noticed', () => {
  const head = encodeHead(7, [part(1, 'a')])
  for (let bit = 0; bit < head.length * 8; bit++) {
    const copy = Buffer.from(head)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.throws(() => decodeEntry(copy, 'key'), CorruptObjectError, `bit ${bit}`)
  }
})

test('an entry that is cut off is corrupt, wherever it is cut', () => {
  const head = encodeHead(7, [part(1, 'a')])
  for (let length = 0; length < head.length; length++)
    assert.throws(() => decodeEntry(head.subarray(0, length), 'key'), CorruptObjectError)
})

test('an entry of a later format stops this version instead of being skipped', () => {
  const header = pack([2, 7, []])
  const bytes = Buffer.alloc(header.length + 12)
  bytes.write('HLE1')
  bytes.writeUInt32BE(header.length, 4)
  header.copy(bytes, 8)
  bytes.writeUInt32BE(checksum(header), 8 + header.length)
  assert.throws(() => decodeEntry(bytes, 'key'), UnavailableError)
})

test('unpacked buffers do not hold on to the bytes they came from', () => {
  const packed = pack([Buffer.from('abc')])
  const [copy] = unpack(packed) as [Buffer]
  packed.fill(0)
  assert.equal(copy.toString(), 'abc')
})
