import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, crc32Of, scriptCrc32 } from './crc32.js'

test("Node.js and the package agree, and with the standard's check value", () => {
  const bytes = Buffer.from('123456789')
  assert.equal(crc32(bytes), 0xcbf43926)
  for (const length of [0, 1, 15, 16, 4_099]) {
    const other = Buffer.alloc(length, 'a long text, not all alike')
    assert.equal(crc32(other), scriptCrc32()(other))
  }
})

test('a checksum goes on from that of what came before', () => {
  const bytes = Buffer.from('the quick brown fox')
  const pieces = [bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)]
  assert.equal(crc32Of(pieces), crc32(bytes))
  assert.equal(scriptCrc32()(bytes.subarray(5), scriptCrc32()(bytes.subarray(0, 5))), crc32(bytes))
})
