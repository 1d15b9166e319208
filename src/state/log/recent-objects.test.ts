import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentObjects } from './recent-objects.js'

const object = (writer: number, number: number) => ({ writer, number })

test('objects are known from when their records were ordered until many more bytes were', () => {
  const recent = new RecentObjects(1_000)
  for (let number = 1; number <= 100; number++) {
    assert.equal(recent.has(object(0, number)), false)
    recent.add(object(0, number), 50)
    if (number % 3 === 0) recent.add(object(7, number / 3), 50)
    assert.equal(recent.has(object(0, number)), true)
  }
  const known = (writer: number) =>
    Array.from({ length: 100 }, (_, i) => i + 1).filter((n) => recent.has(object(writer, n)))
  assert.deepEqual(
    known(0),
    known(0).filter((number) => number > 100 - known(0).length),
  )
  assert.ok(known(0).length >= 13 && known(0).length <= 16, `${known(0)}`)
  assert.ok(known(7).length >= 4 && known(7).length <= 6, `${known(7)}`)
  assert.equal(known(7).at(-1), 33)
  // Nobody else wrote for long.
  for (let number = 101; number <= 130; number++) recent.add(object(0, number), 50)
  assert.deepEqual(known(7), [])
})

test('the newest object is known, however large', () => {
  const recent = new RecentObjects(1_000)
  recent.add(object(0, 1), 900)
  recent.add(object(0, 2), 5_000)
  assert.equal(recent.has(object(0, 1)), false)
  assert.equal(recent.has(object(0, 2)), true)
})

test('entries that hold no records are nothing that is read', () => {
  const recent = new RecentObjects(1_000)
  recent.add(object(0, 1), 0)
  assert.equal(recent.has(object(0, 1)), false)
})
