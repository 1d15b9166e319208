import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OffsetMap } from './offset-map.js'

const key = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.uint8Array({ minLength: 13, maxLength: 18 }),
  // The same but for the end, and for zeros at it.
  fc.nat(40).map((length) => new Uint8Array(length)),
)

test('it holds the last offset of each key, of any length', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
      const map = new OffsetMap(2 ** 20)
      const model = new Map<string, number>()
      for (const [offset, bytes] of keys.entries()) {
        assert.ok(map.put(Buffer.from(bytes), offset))
        model.set(Buffer.from(bytes).toString('hex'), offset)
      }
      assert.equal(map.size, model.size)
      for (const [hex, offset] of model) assert.equal(map.get(Buffer.from(hex, 'hex')), offset)
      assert.equal(map.get(Buffer.from('a key that nobody has put there')), -1)
      assert.equal(map.get(Buffer.from('absent')), -1)
    }),
  )
})

test('when it is full it takes no other key, but later offsets of those that it has', () => {
  const map = new OffsetMap(2_400)
  const name = (i: number) => Buffer.from(`key ${i}`)
  let count = 0
  while (map.put(name(count), count)) count++
  assert.equal(count, 75)
  assert.equal(map.put(name(3), 1_000), true)
  assert.equal(map.put(name(count), 1_001), false)
  assert.equal(map.get(name(3)), 1_000)
  assert.equal(map.get(name(count)), -1)
  for (let i = 4; i < count; i++) assert.equal(map.get(name(i)), i)
})

test('it has room for as many keys as were announced', () => {
  for (const keys of [0, 1, 11, 12, 13, 1_000]) {
    const map = new OffsetMap(2 ** 30, keys)
    for (let i = 0; i < keys; i++) assert.ok(map.put(Buffer.from(`${i}`), i), `key ${i} of ${keys}`)
  }
})
