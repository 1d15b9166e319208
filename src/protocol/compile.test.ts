import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../base/limits.js'
import { type AnyApi, api } from './api.js'
import { readerOf } from './compile.js'
import { writeRequest } from './frame.js'
import { DeleteRecords } from './messages/delete-records.js'
import { Fetch } from './messages/fetch.js'
import { JoinGroup } from './messages/join-group.js'
import { Metadata } from './messages/metadata.js'
import { EncodeError, ProtocolError } from './protocol-error.js'
import { array, int16, int32, int64, string, uuid } from './schema.js'

const Sample = api(999, 'Sample', {
  versions: [0, 1],
  flexible: 1,
  request: { names: array(string), size: int64, count: int32.tagged(0, 1) },
  response: {},
})

function read(version: number, hex: string): unknown {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return readerOf(Sample.request, version)(bytes, 0, bytes.length)
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ProtocolError && message.test(error.message)
}

describe('a reader refuses', () => {
  test('a message that ends early, and names the field', () => {
    const frame = Buffer.concat(fetchRequest(12)).subarray(0, -2)
    const isRefusal = refusal(/^Fetch request v12: rackId: 1 bytes needed, 0 left$/)
    assert.throws(() => readerOf(Fetch.request, 12)(frame, 19, frame.length), isRefusal)
  })

  test('a message that goes on after its end', () => {
    assert.throws(() => read(0, '00000000 0000000000000001 00'), refusal(/^Sample request v0: 1 bytes after its end$/))
  })

  test('more elements than the bytes left can hold, without making room for them', () => {
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 100; i++) {
      assert.throws(() => read(0, '7fffffff 00000000'), refusal(/names: 2147483647 elements announced, 4 bytes left$/))
      assert.throws(
        () => read(1, 'ffffffff0f 00000000'),
        refusal(/names: 4294967294 elements announced, 4 bytes left$/),
      )
    }
    assert.ok(process.memoryUsage().heapUsed - before < 32 * 1024 * 1024)
  })

  test('more elements than a message may have, however small they are', () => {
    const count = limits.messageElementsMax + 1
    const bytes = Buffer.alloc(4 + count * 2 + 8)
    bytes.writeInt32BE(count)
    assert.throws(() => readerOf(Sample.request, 0)(bytes, 0, bytes.length), refusal(/too many array elements/))
  })

  test('null where null is not allowed', () => {
    assert.throws(() => read(0, 'ffffffff 0000000000000000'), refusal(/names: null is not allowed here$/))
    assert.throws(() => read(0, '00000001 ffff 0000000000000000'), refusal(/names\[\]: null is not allowed here$/))
    assert.throws(() => read(1, '00 0000000000000000 00'), refusal(/names: null is not allowed here$/))
  })

  test('negative lengths', () => {
    assert.throws(() => read(0, '00000001 8000 0000000000000000'), refusal(/names\[\]: invalid length -32768$/))
  })

  test('an integer that a number cannot hold', () => {
    assert.deepEqual(read(0, '00000000 001fffffffffffff'), { names: [], size: 2 ** 53 - 1, count: 0 })
    assert.deepEqual(read(0, '00000000 ffe0000000000001'), { names: [], size: 1 - 2 ** 53, count: 0 })
    for (const size of ['0020000000000000', 'ffe0000000000000', '7fffffffffffffff', '8000000000000000']) {
      assert.throws(() => read(0, `00000000 ${size}`), refusal(/size: integer beyond 2\^53$/))
    }
  })

  test('tags that repeat or descend', () => {
    assert.throws(() => read(1, '01 0000000000000000 02 00 04 00000001 00 04 00000002'), refusal(/tag 0 after tag 0$/))
    assert.throws(() => read(1, '01 0000000000000000 02 05 00 03 00'), refusal(/tag 3 after tag 5$/))
  })

  test('a tagged field that is longer or shorter than its size says', () => {
    assert.throws(() => read(1, '01 0000000000000000 01 00 05 0000000100'), refusal(/count: 1 bytes after its end$/))
    assert.throws(() => read(1, '01 0000000000000000 01 00 03 000001'), refusal(/count: 4 bytes needed, 3 left$/))
    assert.throws(() => read(1, '01 0000000000000000 01 00 09 00000001'), refusal(/9 bytes needed, 4 left$/))
  })

  test('varints of more than 32 bits', () => {
    assert.throws(() => read(1, 'ffffffff1f 0000000000000000'), refusal(/varint of more than 32 bits$/))
    assert.throws(() => read(1, '808080808000 0000000000000000'), refusal(/varint of more than 32 bits$/))
  })

  test('a version the API does not have', () => {
    assert.throws(() => readerOf(Sample.request, 2), /Sample request has no version 2/)
  })
})

describe('a reader accepts', () => {
  test('Long.MAX_VALUE and Long.MIN_VALUE where clients send them, as infinite', () => {
    const offsets = [2n ** 63n - 1n, -(2n ** 63n), -1n]
    const partitions = offsets.map((offset) => {
      const bytes = Buffer.alloc(12)
      bytes.writeBigInt64BE(offset, 4)
      return bytes
    })
    const frame = Buffer.concat([Buffer.from('00000001000174', 'hex'), Buffer.from('00000003', 'hex'), ...partitions])
    const whole = Buffer.concat([frame, Buffer.alloc(4)])
    const { topics } = readerOf(DeleteRecords.request, 1)(whole, 0, whole.length)
    const read = topics[0]?.partitions.map(({ offset }) => offset)
    assert.deepEqual(read, [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1])
  })

  test('bytes as a view into the frame', () => {
    const request = { groupId: 'g', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer' }
    const protocols = [{ name: 'range', metadata: Buffer.from([1, 2, 3]) }]
    const frame = Buffer.concat(writeRequest(JoinGroup, 9, 1, null, { ...request, protocols })).subarray(4)
    const metadata = readerOf(JoinGroup.request, 9)(frame, 11, frame.length).protocols[0]?.metadata
    assert.equal(metadata?.buffer, frame.buffer)
  })
})

describe('a writer refuses', () => {
  const refused = (declared: AnyApi, request: unknown, message: RegExp) =>
    assert.throws(
      () => writeRequest(declared, 0, 1, 'client', request as Record<string, never>),
      (error) => error instanceof EncodeError && message.test(error.message),
    )
  const Values = api(998, 'Values', {
    versions: [0, 0],
    request: { int16: int16.default(0), text: string.default(''), uuid: uuid.default('0'.repeat(32)), required: int32 },
    response: {},
  })

  test('a missing value, and names the field', () => {
    refused(Values, {}, /^Values request v0: required: can't write undefined$/)
    refused(Metadata, { topics: [{}] }, /^Metadata request v0: topics\[\]\.name: can't write undefined$/)
    refused(Metadata, { topics: [undefined] }, /topics\[\]: can't write undefined$/)
  })

  test('null where its version does not allow it', () => {
    refused(Metadata, { topics: null }, /^Metadata request v0: topics: can't write null$/)
  })

  test('values out of range', () => {
    refused(Values, { required: 2 ** 31 }, /required: can't write 2147483648$/)
    refused(Values, { required: 1.5 }, /required: can't write 1.5$/)
    refused(Values, { required: 0, int16: -32769 }, /int16: can't write -32769$/)
    refused(Values, { required: 0, text: 'x'.repeat(32768) }, /text: can't write "a string of 32768 bytes"$/)
    refused(Values, { required: 0, uuid: 'not hex'.repeat(8) }, /uuid: can't write/)
    refused(Sample, { names: [], size: 2 ** 53 }, /size: can't write 9007199254740992$/)
  })

  test('nothing of what its version does not have', () => {
    const chunks = writeRequest(Metadata, 0, 1, null, { topics: [], allowAutoTopicCreation: false })
    assert.equal(Buffer.concat(chunks).toString('hex'), '0000000e 0003 0000 00000001 ffff 00000000'.replaceAll(' ', ''))
  })
})

function fetchRequest(version: number): Buffer[] {
  const partitions = [{ partition: 1, fetchOffset: 5, partitionMaxBytes: 100 }]
  const topics = [{ topic: 'topic', partitions }]
  return writeRequest(Fetch, version, 1, 'test', { maxWaitMs: 1, minBytes: 1, topics })
}
