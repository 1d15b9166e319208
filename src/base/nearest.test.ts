import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.js'

const known = ['kafka_port', 'metrics_port', 'sasl_enabled', 'url']

test('a letter too few, too many, wrong or swapped finds the known name', () => {
  for (const typed of ['kafka_prt', 'kafka_portt', 'kafka_pert', 'kafka_prot', 'KAFKA_PORT'])
    assert.equal(nearest(typed, known), 'kafka_port')
})

test('the nearest of several near names wins', () => {
  assert.equal(nearest('fetch_max', ['fetch_min', 'fetch_maxx']), 'fetch_maxx')
})

test('a name unlike any known one finds nothing', () => {
  assert.equal(nearest('retention', known), undefined)
  assert.equal(nearest('xyz', known), undefined)
})
