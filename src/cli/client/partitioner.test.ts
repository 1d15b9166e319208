import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionForKey } from './partitioner.js'

test("murmur2 gives what Kafka's own gives (UtilsTest of kafka-clients)", () => {
  const expected: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of expected) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

test('a key has one partition, within the number there are', () => {
  for (let i = 0; i < 100; i++) {
    const partition = partitionForKey(Buffer.from(`key-${i}`), 7)
    assert.ok(partition >= 0 && partition < 7)
    assert.equal(partitionForKey(Buffer.from(`key-${i}`), 7), partition)
  }
})
