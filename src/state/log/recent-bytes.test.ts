import assert from 'node:assert/strict'
import { test } from 'node:test'
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
