import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BufferPool } from '../../base/buffer-pool.js'
import { PinnedMemory } from '../../base/pinned-memory.js'
import { RecentBytes } from './recent-bytes.js'

const entry = (number: number) => ({ writer: 0, number })
const found = (pieces: Buffer[] | undefined) => pieces?.map(String)

test('any part of what was kept is found, in the pieces it was kept in', () => {
  const recent = new RecentBytes(1_000)
  recent.keep(entry(1), 10, [Buffer.from('abc'), Buffer.from('defg')])
  recent.keep(entry(1), 17, [Buffer.from('h')])
  assert.deepEqual(found(recent.find(entry(1), 10, 8)), ['abc', 'defg', 'h'])
  assert.deepEqual(found(recent.find(entry(1), 13, 4)), ['defg'])
  assert.deepEqual(found(recent.find(entry(1), 14, 2)), ['ef'])
  assert.equal(recent.find(entry(1), 9, 2), undefined)
  assert.equal(recent.find(entry(1), 10, 9), undefined)
  assert.equal(recent.find(entry(2), 10, 1), undefined)
})

test('a gap between two pieces is a miss', () => {
  const recent = new RecentBytes(1_000)
  recent.keep(entry(1), 0, [Buffer.from('ab')])
  recent.keep(entry(1), 4, [Buffer.from('ef')])
  assert.equal(recent.find(entry(1), 0, 6), undefined)
  assert.deepEqual(found(recent.find(entry(1), 4, 2)), ['ef'])
})

test('the oldest objects go when the bound is reached, and the same bytes count once', () => {
  const recent = new RecentBytes(10)
  recent.keep(entry(1), 0, [Buffer.alloc(6)])
  recent.keep(entry(1), 0, [Buffer.alloc(6)])
  assert.equal(recent.bytes, 6)
  recent.keep(entry(2), 0, [Buffer.alloc(6)])
  assert.equal(recent.bytes, 6)
  assert.equal(recent.find(entry(1), 0, 1), undefined)
  assert.notEqual(recent.find(entry(2), 0, 6), undefined)
})

test('whatever is kept in whatever order, what is found is what was kept, and what is gone is let go', () => {
  const piece = fc.record({
    writer: fc.nat(2),
    number: fc.nat(12),
    pieces: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), fc.integer({ min: 100, max: 3_000 }), (kept, bytesMax) => {
      const memory = new PinnedMemory(new BufferPool(2 ** 20), {
        sharedBytesMax: 0,
        whenFree: (bytes) => bytes.fill(0xdd),
      })
      const recent = new RecentBytes(bytesMax, memory)
      /** Of each object what was kept of it: bytes that tell where they are. */
      const objects = new Map<string, { writer: number; number: number; end: number }>()
      for (const { writer, number, pieces } of kept) {
        const key = `${writer}/${number}`
        const object = objects.get(key) ?? { writer, number, end: 10 }
        objects.set(key, object)
        const made = pieces.map((length) => memory.take(length))
        let at = object.end
        for (const bytes of made) for (let i = 0; i < bytes.length; i++) bytes[i] = (writer * 13 + number + at++) & 0xff
        recent.keep({ writer, number }, object.end, made)
        for (const bytes of made) memory.unpin(bytes)
        object.end = at
      }
      assert.ok(recent.bytes <= bytesMax)
      let bytes = 0
      for (const { writer, number, end } of objects.values())
        for (let at = 10; at < end; at++) {
          const found = recent.find({ writer, number }, at, 1)
          if (found === undefined) continue
          bytes++
          assert.equal(found[0]?.[0], (writer * 13 + number + at) & 0xff)
        }
      assert.equal(bytes, recent.bytes)
    }),
  )
})

test('there may be very many small objects', () => {
  const recent = new RecentBytes(1_000_000)
  for (let number = 1; number <= 20_000; number++)
    recent.keep(entry(number), 0, [Buffer.from(`${number}`.padStart(70))])
  assert.ok(recent.bytes > 900_000 && recent.bytes <= 1_000_000)
  assert.equal(recent.find(entry(1), 0, 70), undefined)
  for (const number of [10_000, 15_000, 20_000])
    assert.equal(
      Buffer.concat(recent.find(entry(number), 0, 70) ?? [])
        .toString()
        .trim(),
      `${number}`,
    )
})
