import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedRecords, problemsIn } from './acknowledged.js'
import type { ClientRecord } from './clients/driver.js'

const log = (...values: string[]): ClientRecord[] =>
  values.map((value, offset) => ({ partition: 0, offset, key: null, value, timestamp: 0, headers: {} }))
const sent = (...offsets: number[]) => ({ 0: { sent: offsets.length, offsets } })

test('a log with every acknowledged record in order is right, also with some that were not acknowledged', () => {
  assert.deepEqual(problemsIn(sent(0, 1, -1, -1, 3, -2), log('0:0:', '0:1:xx', '0:3:', '0:4:', '0:5:')), [])
})

test('a lost, a repeated, a reordered, a moved and an invented record are each found', () => {
  assert.match(problemsIn(sent(0, 1), log('0:0:'))[0] ?? '', /record 1 was acknowledged and is lost/)
  assert.match(problemsIn(sent(0, -2), log('0:0:'))[0] ?? '', /record 1 was acknowledged and is lost/)
  assert.match(problemsIn(sent(0), log('0:0:', '0:0:'))[0] ?? '', /record 0 again/)
  assert.match(problemsIn(sent(1, 0), log('0:1:', '0:0:'))[0] ?? '', /record 0 after 1/)
  assert.match(problemsIn(sent(1), log('0:0:'))[0] ?? '', /acknowledged at 1 and is at 0/)
  assert.match(problemsIn(sent(0), log('0:0:', '0:1:'))[0] ?? '', /never sent/)
  assert.match(problemsIn(sent(0), log('0:0:', 'rubbish'))[0] ?? '', /never sent/)
})

test('a gap in the offsets is found', () => {
  const [first, second] = log('0:0:', '0:1:')
  assert.ok(first && second)
  assert.match(problemsIn(sent(0, 2), [first, { ...second, offset: 2 }])[0] ?? '', /should have offset 1/)
})

test('a record that was read and is another one now is found', () => {
  assert.deepEqual(changedRecords(log('0:0:'), log('0:0:', '0:1:')), [])
  assert.equal(changedRecords(log('0:0:', '0:2:'), log('0:0:', '0:1:')).length, 1)
})
