import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FetchedRecord } from './client/fetcher.js'
import { jsonFormat, templateFormat, valueFormat } from './record-format.js'

const record: FetchedRecord = {
  topic: 'orders',
  partition: 3,
  offset: 42,
  timestampMs: 1700000000000,
  key: Buffer.from('k'),
  value: Buffer.from('{"id":1}'),
  headers: [{ key: 'trace', value: Buffer.from('abc') }],
}

test('the value alone is shown byte by byte', () => {
  const value = Buffer.from([0xff, 0x00, 0x80])
  assert.deepEqual(valueFormat({ ...record, value }), Buffer.from([0xff, 0x00, 0x80, 10]))
  assert.equal(valueFormat({ ...record, value: null }).toString(), '\n')
})

test('a template shows what its letters stand for', () => {
  assert.equal(
    templateFormat('%t-%p@%o %T %k\\t%v %s %h 100%% %x').call(undefined, record).toString(),
    'orders-3@42 1700000000000 k\t{"id":1} {"id":1} trace=abc 100% %x\n',
  )
})

test('JSON keeps texts as texts and everything else as base64', () => {
  assert.deepEqual(JSON.parse(jsonFormat(record).toString()), {
    topic: 'orders',
    partition: 3,
    offset: 42,
    timestamp: 1700000000000,
    key: 'k',
    value: '{"id":1}',
    headers: [['trace', 'abc']],
  })
  const { key, value } = JSON.parse(jsonFormat({ ...record, key: null, value: Buffer.from([0xff]) }).toString())
  assert.equal(key, null)
  assert.deepEqual(value, { base64: '/w==' })
})
