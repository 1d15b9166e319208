import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  assignRanges,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.js'

test('a subscription has the bytes of ConsumerProtocolSubscription version 0', () => {
  assert.equal(encodeSubscription(['ab']).toString('hex'), `0000${'00000001'}${'00026162'}${'ffffffff'}`)
})

test('an assignment has the bytes of ConsumerProtocolAssignment version 0', () => {
  const bytes = encodeAssignment(new Map([['ab', [3]]]))
  assert.equal(bytes.toString('hex'), `0000${'00000001'}${'00026162'}${'00000001'}${'00000003'}${'ffffffff'}`)
})

test('what is encoded is decoded again', () => {
  const topics = fc.uniqueArray(fc.string(), { maxLength: 5 })
  fc.assert(fc.property(topics, (names) => assert.deepEqual(decodeSubscription(encodeSubscription(names)), names)))
  const assignment = fc.array(fc.tuple(fc.string(), fc.array(fc.nat(), { maxLength: 5 })), { maxLength: 5 })
  fc.assert(
    fc.property(assignment, (entries) => {
      const map = new Map(entries)
      assert.deepEqual(decodeAssignment(encodeAssignment(map)), map)
    }),
  )
})

test('a member without an assignment reads nothing', () => {
  assert.equal(decodeAssignment(Buffer.alloc(0)).size, 0)
})

test('bytes that are no subscription are an error, not a large allocation', () => {
  assert.throws(() => decodeSubscription(Buffer.from('00007fffffff0001', 'hex')), RangeError)
  assert.throws(() => decodeSubscription(Buffer.from('0000', 'hex')), RangeError)
})

test('partitions go in runs to the members in the order of their ids, the first getting what is over', () => {
  const subscriptions = new Map([
    ['b', ['t', 'u']],
    ['a', ['t']],
  ])
  const assignments = assignRanges(
    subscriptions,
    new Map([
      ['t', 3],
      ['u', 1],
    ]),
  )
  assert.deepEqual(assignments.get('a'), new Map([['t', [0, 1]]]))
  assert.deepEqual(
    assignments.get('b'),
    new Map([
      ['t', [2]],
      ['u', [0]],
    ]),
  )
})

test('every partition of a subscribed topic has exactly one reader', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 30 }), (members, partitions) => {
      const subscriptions = new Map(Array.from({ length: members }, (_, i) => [`m${i}`, ['t']]))
      const assigned = [...assignRanges(subscriptions, new Map([['t', partitions]])).values()].flatMap(
        (assignment) => assignment.get('t') ?? [],
      )
      assert.deepEqual(
        assigned.sort((a, b) => a - b),
        Array.from({ length: partitions }, (_, i) => i),
      )
    }),
  )
})
