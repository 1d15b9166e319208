import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dollarsPerMonth, prices } from './prices.js'

const nothing = { puts: 0, gets: 0, lists: 0, bytesPut: 0, bytesGot: 0 }

test('ten puts a second cost 131 dollars a month on S3 Standard, two gets a second two', () => {
  assert.equal(Math.round(dollarsPerMonth({ ...nothing, puts: 10 }, prices.standard)), 131)
  assert.equal(Math.round(dollarsPerMonth({ ...nothing, gets: 2 }, prices.standard)), 2)
})

test('on S3 Express bytes cost too', () => {
  const rates = { ...nothing, puts: 10, bytesPut: 1e6 }
  assert.equal(Math.round(dollarsPerMonth(rates, prices.express)), Math.round(29.7 + 8.4))
})
