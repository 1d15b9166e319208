import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObjectTable } from './object-table.js'

test('objects are told apart by both their numbers', () => {
  const table = new ObjectTable<string>()
  const refs = [0, 1, -1].flatMap((writer) => [7, 2 ** 40].map((number) => ({ writer, number })))
  for (const ref of refs) table.set(ref, `${ref.writer}/${ref.number}`)
  assert.equal(table.size, 6)
  for (const { writer, number } of refs) assert.equal(table.get(writer, number), `${writer}/${number}`)
  assert.equal(table.get(2, 7), undefined)
  table.set({ writer: 0, number: 7 }, 'other')
  assert.equal(table.get(0, 7), 'other')
  assert.equal(table.size, 6)
  table.delete({ writer: 0, number: 7 })
  table.delete({ writer: 0, number: 7 })
  assert.equal(table.get(0, 7), undefined)
  assert.equal(table.size, 5)
})
