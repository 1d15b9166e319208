import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { Heartbeat } from '../protocol/messages/heartbeat.js'
import { Produce } from '../protocol/messages/produce.js'
import { errorFinder } from './error-finder.js'

test('an error is found at the top and in the depth of an answer', () => {
  const heartbeat = errorFinder(Heartbeat.response.fields)
  assert.equal(heartbeat({ errorCode: 27 }), 27)
  assert.equal(heartbeat({ errorCode: 0 }), 0)
  const produce = errorFinder(Produce.response.fields)
  const answer = (...codes: number[]) => ({
    responses: [
      { partitionResponses: [{ errorCode: 0 }] },
      { partitionResponses: codes.map((errorCode) => ({ errorCode })) },
    ],
  })
  assert.equal(produce(answer(0, 0)), 0)
  assert.equal(produce(answer(0, 10, 3)), 10)
  const fetch = errorFinder(Fetch.response.fields)
  assert.equal(fetch({ errorCode: 70, responses: [] }), 70)
  assert.equal(fetch({ errorCode: 0, responses: [{ partitions: [{ errorCode: 1 }] }] }), 1)
  assert.equal(errorFinder(DescribeConfigs.response.fields)({ results: [{ errorCode: 3 }] }), 3)
})

test('an answer that leaves the error out has none', () => {
  assert.equal(errorFinder(Heartbeat.response.fields)({}), 0)
  assert.equal(errorFinder(Produce.response.fields)({ responses: [] }), 0)
})
