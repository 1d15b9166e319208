import assert from 'node:assert/strict'
import { test } from 'node:test'
import { samplesOf } from './scrape.js'

const samples = samplesOf(`# HELP requests_total Requests
# TYPE requests_total counter
requests_total{operation="get",outcome="ok"} 3
requests_total{operation="get",outcome="absent"} 4
requests_total{operation="put",outcome="ok"} 5
requests_total_other 100
cpu_seconds 1.5
`)

test('samples of a name are added up, those alone that have the labels asked for', () => {
  assert.equal(samples('requests_total'), 12)
  assert.equal(samples('requests_total', { operation: 'get' }), 7)
  assert.equal(samples('requests_total', { outcome: 'ok', operation: 'get' }), 3)
  assert.equal(samples('cpu_seconds'), 1.5)
  assert.equal(samples('nothing'), 0)
})

test('metrics of several processes are added up, or told apart by their label', () => {
  const both = samplesOf('entries{process="1",by="self"} 1\nentries{process="2",by="self"} 2\n')
  assert.equal(both('entries', { by: 'self' }), 3)
  assert.equal(both('entries', { process: '2' }), 2)
})
