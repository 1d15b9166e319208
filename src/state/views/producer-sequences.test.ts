import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../protocol/error-codes.js'
import { ProducerSequences, type SequencedBatch } from './producer-sequences.js'

const batch = (baseSequence: number, recordCount = 1, producerEpoch = 0, producerId = 5): SequencedBatch => ({
  producerId,
  producerEpoch,
  baseSequence,
  recordCount,
})
const outOfOrder = { kind: 'refused', errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER }

test('a batch sent again gets the offset of the original', () => {
  const sequences = new ProducerSequences()
  sequences.appended(batch(0, 10), 100, 1)
  assert.deepEqual(sequences.check(batch(0, 10), false), { kind: 'duplicate', baseOffset: 100 })
  assert.deepEqual(sequences.check(batch(10), false), { kind: 'next' })
  assert.deepEqual(sequences.check(batch(11), false), outOfOrder)
  assert.deepEqual(sequences.check(batch(0, 9), false), outOfOrder)
})

test('the last five batches are remembered', () => {
  const sequences = new ProducerSequences()
  for (let i = 0; i < 6; i++) sequences.appended(batch(i), 100 + i, 1)
  assert.deepEqual(sequences.check(batch(0), false), outOfOrder)
  for (let i = 1; i < 6; i++)
    assert.deepEqual(sequences.check(batch(i), false), { kind: 'duplicate', baseOffset: 100 + i })
})

test('sequences wrap at 2^31', () => {
  const sequences = new ProducerSequences()
  sequences.appended(batch(2 ** 31 - 2, 3), 0, 1)
  assert.deepEqual(sequences.check(batch(1), false), { kind: 'next' })
  assert.deepEqual(sequences.check(batch(2 ** 31 - 2, 3), false), { kind: 'duplicate', baseOffset: 0 })
})

test('a raised epoch begins anew at sequence 0, and fences the old one', () => {
  const sequences = new ProducerSequences()
  sequences.appended(batch(7, 1, 1), 0, 1)
  assert.deepEqual(sequences.check(batch(8, 1, 2), false), outOfOrder)
  assert.deepEqual(sequences.check(batch(0, 1, 2), false), { kind: 'next' })
  sequences.appended(batch(0, 1, 2), 1, 1)
  assert.deepEqual(sequences.check(batch(8, 1, 1), false), {
    kind: 'refused',
    errorCode: ErrorCode.INVALID_PRODUCER_EPOCH,
  })
})

test('a producer that was never here begins at sequence 0; one that may have been forgotten goes on', () => {
  const sequences = new ProducerSequences()
  assert.deepEqual(sequences.check(batch(3), true), outOfOrder)
  assert.deepEqual(sequences.check(batch(3), false), outOfOrder)
  sequences.appended(batch(0), 0, 1_000)
  assert.equal(sequences.hasIdle(1_000), false)
  sequences.forget(1_001)
  assert.equal(sequences.size, 0)
  assert.deepEqual(sequences.check(batch(3), false), { kind: 'next' })
  assert.deepEqual(sequences.check(batch(3, 1, 0, 6), false), outOfOrder)
})

test('a snapshot keeps everything', () => {
  const sequences = new ProducerSequences()
  for (let i = 0; i < 7; i++) sequences.appended(batch(i), i, i)
  sequences.appended(batch(0, 4, 2, 9), 50, 3)
  sequences.forget(4)
  const copy = ProducerSequences.fromSnapshot(sequences.toSnapshot())
  assert.deepEqual(copy.toSnapshot(), sequences.toSnapshot())
  assert.deepEqual(copy.check(batch(6), false), { kind: 'duplicate', baseOffset: 6 })
  assert.deepEqual(copy.check(batch(1, 1, 0, 9), false), { kind: 'next' })
})
