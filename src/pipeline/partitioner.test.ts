import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionForKey } from './partitioner.js'

// From UtilsTest.testMurmur2 of Apache Kafka.
const hashes: [string, number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

for (const [key, hash] of hashes) {
  test(`murmur2 of "${key}" is that of Kafka's clients`, () => {
    assert.equal(murmur2(Buffer.from(key)), hash)
    assert.equal(partitionForKey(Buffer.from(key), 7), (hash & 0x7fffffff) % 7)
  })
}
