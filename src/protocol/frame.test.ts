import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readRequest, readRequestHeader, readResponse, writeRequest, writeResponse } from './frame.js'
import { ApiVersions } from './messages/api-versions.js'
import { Fetch, type FetchResponse } from './messages/fetch.js'
import { Heartbeat } from './messages/heartbeat.js'
import { Metadata } from './messages/metadata.js'
import { EncodeError, ProtocolError } from './protocol-error.js'

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

describe('a request', () => {
  test('may have bytes after its end, as librdkafka 2.16 sends them when it asks for all topics', () => {
    const frame = hex('0003 000d 00000003 0007 72646b61666b61 00 00000000 000000')
    const header = readRequestHeader(frame)
    assert.deepEqual(readRequest(Metadata, header, frame).topics, null)
    assert.throws(() => readRequest(Metadata, header, frame.subarray(0, 19)), ProtocolError)
  })
})

describe('a request header', () => {
  test('is read with its client id, up to the body', () => {
    const frame = hex('000c 0003 00000007 0002 6162 ff')
    const header = { apiKey: 12, apiVersion: 3, correlationId: 7, clientId: 'ab', bodyStart: 12 }
    assert.deepEqual(readRequestHeader(frame), header)
  })

  test('of a flexible version has tagged fields behind a client id of classic length', () => {
    const frame = hex('000c 0004 00000007 0002 6162 01 05 03 010203 ff')
    assert.deepEqual(readRequestHeader(frame).bodyStart, frame.length - 1)
  })

  test('may have no client id', () => {
    assert.equal(readRequestHeader(hex('000c 0000 00000001 ffff')).clientId, null)
  })

  test('of an API we do not know is read as far as it is the same for all', () => {
    const frame = hex('7fff 0009 00000007 0001 61 00')
    const header = { apiKey: 32767, apiVersion: 9, correlationId: 7, clientId: 'a', bodyStart: 11 }
    assert.deepEqual(readRequestHeader(frame), header)
  })

  test('of a newer ApiVersions is read, so that it can be answered', () => {
    const frame = hex('0012 0063 00000007 0001 61 00 0261 0262 00')
    assert.deepEqual(readRequestHeader(frame).apiVersion, 99)
    assert.deepEqual(readRequestHeader(frame).bodyStart, 12)
  })

  test('that is cut short or has an impossible length is refused', () => {
    for (const frame of [
      '',
      '000c',
      '000c 0000 00000001 00',
      '000c 0000 00000001 0002 61',
      '000c 0000 00000001 fffe',
    ]) {
      assert.throws(() => readRequestHeader(hex(frame)), ProtocolError)
    }
    assert.throws(() => readRequestHeader(hex('000c 0004 00000001 ffff')), ProtocolError)
    assert.throws(() => readRequestHeader(hex('000c 0004 00000001 ffff 01 00 05 00')), ProtocolError)
  })
})

describe('a request frame', () => {
  test('written by the client is read by the server', () => {
    const request = { groupId: 'g', generationId: 3, memberId: 'm', groupInstanceId: null }
    for (let version = 0; version <= 4; version++) {
      const frame = Buffer.concat(writeRequest(Heartbeat, version, 9, 'client', request)).subarray(4)
      const header = readRequestHeader(frame)
      assert.equal(header.clientId, 'client')
      assert.deepEqual(readRequest(Heartbeat, header, frame), request)
    }
  })
})

describe('a response frame', () => {
  test('starts with its length and its correlation id', () => {
    const frame = Buffer.concat(writeResponse(Heartbeat, 0, 258, { errorCode: 27 }))
    assert.equal(frame.toString('hex'), '00000006 00000102 001b'.replaceAll(' ', ''))
  })

  test('of a flexible version has tagged fields in its header, but not in ApiVersions', () => {
    const heartbeat = Buffer.concat(writeResponse(Heartbeat, 4, 1, { errorCode: 0 }))
    assert.equal(heartbeat.toString('hex'), '0000000c 00000001 00 00000000 0000 00'.replaceAll(' ', ''))
    const apiVersions = Buffer.concat(writeResponse(ApiVersions, 3, 1, { errorCode: 0, apiKeys: [] }))
    assert.equal(apiVersions.toString('hex'), '0000000c 00000001 0000 01 00000000 00'.replaceAll(' ', ''))
  })

  test('without a required field does not compile, nor is it written', () => {
    // @ts-expect-error errorCode is missing
    assert.throws(() => writeResponse(Heartbeat, 4, 1, { throttleTimeMs: 3 }), EncodeError)
  })

  test('written by the server is read by the client', () => {
    const chunks = writeResponse(Heartbeat, 4, 11, { errorCode: 25, throttleTimeMs: 3 })
    const { correlationId, response } = readResponse(Heartbeat, 4, Buffer.concat(chunks).subarray(4))
    assert.equal(correlationId, 11)
    assert.deepEqual(response, { errorCode: 25, throttleTimeMs: 3 })
  })

  test('carries long records as they are, without copying them', () => {
    const pieces = [Buffer.alloc(5000, 1), Buffer.alloc(0), Buffer.alloc(7000, 2)]
    const chunks = writeResponse(Fetch, 12, 1, fetchResponse([pieces, pieces]))
    assert.equal(chunks.length, 7)
    assert.equal(chunks[1], pieces[0])
    assert.equal(chunks[2], pieces[2])
    assert.equal(chunks[4], pieces[0])
    const frame = Buffer.concat(chunks)
    assert.equal(frame.readInt32BE(0), frame.length - 4)
    const { response } = readResponse(Fetch, 12, frame.subarray(4))
    assert.deepEqual(response.responses[0]?.partitions[1]?.records, Buffer.concat(pieces))
  })

  test('takes short records into one chunk', () => {
    const chunks = writeResponse(Fetch, 12, 1, fetchResponse([[Buffer.alloc(500, 1), Buffer.alloc(500, 2)], null, []]))
    assert.equal(chunks.length, 1)
    const { response } = readResponse(Fetch, 12, Buffer.concat(chunks).subarray(4))
    const records = response.responses[0]?.partitions.map((partition) => partition.records?.length ?? null)
    assert.deepEqual(records, [1000, null, 0])
  })

  test('may be larger than a slab', () => {
    const brokers = Array.from({ length: 5000 }, (_, i) => ({ nodeId: i, host: `broker-${i}.example.org`, port: 9092 }))
    for (const version of [4, 12]) {
      const chunks = writeResponse(Metadata, version, 1, { brokers, topics: [] })
      const { response } = readResponse(Metadata, version, Buffer.concat(chunks).subarray(4))
      assert.deepEqual(response.brokers[4999], { ...brokers[4999], rack: null })
    }
  })

  test('stays as it is while others are written, also when one of them fails', () => {
    const frames: { expected: string; chunks: Buffer[] }[] = []
    for (let i = 0; i < 3000; i++) {
      const records = i % 3 === 0 ? [Buffer.alloc(1100, i)] : [Buffer.alloc(i % 900, i)]
      const chunks = writeResponse(Fetch, i % 2 === 0 ? 11 : 12, i, fetchResponse([records, null]))
      frames.push({ expected: Buffer.concat(chunks).toString('latin1'), chunks })
      if (i % 5 === 0) assert.throws(() => writeResponse(Heartbeat, 4, 1, { errorCode: 1e9 }), /errorCode/)
    }
    for (const { expected, chunks } of frames) assert.equal(Buffer.concat(chunks).toString('latin1'), expected)
  })
})

function fetchResponse(records: readonly (readonly Buffer[] | null)[]): FetchResponse {
  const partitions = records.map((pieces, partitionIndex) => ({
    partitionIndex,
    errorCode: 0,
    highWatermark: 10,
    records: pieces,
  }))
  return { responses: [{ topic: 'topic', partitions }] }
}
