import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.js'
import { ledgerOfGroup, ledgerOfPartition } from './routing.js'

test('where something is stays as it was when its cluster was made', () => {
  const id = '0123456789abcdef0123456789abcdef'
  assert.deepEqual(
    [0, 1, 2, 3].map((partition) => ledgerOfPartition(id, partition, 3)),
    [1, 2, 0, 1],
  )
  assert.deepEqual(
    ['orders', 'pipeline-mask', 'Zähler'].map((groupId) => ledgerOfGroup(groupId, 5)),
    [3, 4, 3],
  )
  assert.equal(ledgerOfPartition(id, 7, 1), 0)
  assert.equal(ledgerOfGroup('orders', 1), 0)
})

test('ledgers have about as many partitions and groups as each other', () => {
  const random = seededRandom(1)
  const counts = (ledgerOf: (i: number) => number) => {
    const found = [0, 0, 0, 0]
    for (let i = 0; i < 4_000; i++) found[ledgerOf(i)] = (found[ledgerOf(i)] ?? 0) + 1
    return found
  }
  const ids = Array.from({ length: 4_000 }, () => random.hex(16))
  for (const found of [
    counts((i) => ledgerOfPartition(ids[i] ?? '', 0, 4)),
    counts((i) => ledgerOfGroup(`group-${i}`, 4)),
  ])
    for (const count of found) assert.ok(Math.abs(count - 1_000) < 120, `${found}`)
  const ofOneTopic = [0, 1, 2, 3, 4, 5, 6, 7].map((partition) => ledgerOfPartition('any topic', partition, 4))
  assert.deepEqual(
    [...ofOneTopic].sort((a, b) => a - b),
    [0, 0, 1, 1, 2, 2, 3, 3],
  )
})
