import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AnyApi, EncodableOf } from '../../src/protocol/api.js'
import { apis } from '../../src/protocol/apis.js'
import { readRequest, readRequestHeader, readResponse, writeRequest, writeResponse } from '../../src/protocol/frame.js'
import { goldenFrames } from './golden-frames.js'

const topicId = '000102030405060708090a0b0c0d0e0f'
const zeroId = '0'.repeat(32)

describe('frames that Kafka wrote', () => {
  for (const { message, version, hex } of goldenFrames) {
    test(`${message} v${version} is read, and written the same`, () => {
      const frame = Buffer.from(hex, 'hex')
      const { api, value } = readFrame(message, version, frame)
      const isRequest = message.endsWith('request')
      const chunks = isRequest
        ? writeRequest(api, version, 7, 'golden', encodable(value))
        : writeResponse(api, version, 7, encodable(value))
      const written = Buffer.concat(chunks)
      assert.equal(written.readInt32BE(0), frame.length)
      assert.equal(written.subarray(4).toString('hex'), hex)
    })
  }

  test('Produce request v9 is understood', () => {
    assert.deepEqual(golden('Produce request', 9), {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30000,
      topicData: [
        {
          name: 'café',
          topicId: zeroId,
          partitionData: [
            { index: 2, records: Buffer.from([1, 2, 3, 4, 5]) },
            { index: 3, records: null },
          ],
        },
      ],
    })
  })

  test('Produce response v13 is understood, tagged fields too', () => {
    assert.deepEqual(golden('Produce response', 13), {
      responses: [
        {
          name: '',
          topicId,
          partitionResponses: [
            {
              index: 2,
              errorCode: 6,
              baseOffset: 123456789012,
              logAppendTimeMs: -1,
              logStartOffset: 5,
              recordErrors: [{ batchIndex: 1, batchIndexErrorMessage: 'bad' }],
              errorMessage: 'worse',
              currentLeader: { leaderId: 4, leaderEpoch: 9 },
            },
          ],
        },
      ],
      throttleTimeMs: 11,
      nodeEndpoints: [{ nodeId: 4, host: 'h', port: 9092, rack: null }],
    })
  })

  test('Fetch request v18 is understood, tagged fields too, and Long.MAX_VALUE as beyond any offset', () => {
    assert.deepEqual(golden('Fetch request', 18), {
      clusterId: 'cluster',
      replicaId: -1,
      replicaState: { replicaId: 2, replicaEpoch: 3 },
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 52428800,
      isolationLevel: 1,
      sessionId: 5,
      sessionEpoch: 6,
      topics: [
        {
          topic: '',
          topicId,
          partitions: [
            {
              partition: 1,
              currentLeaderEpoch: 3,
              fetchOffset: 77,
              lastFetchedEpoch: 2,
              logStartOffset: -1,
              partitionMaxBytes: 1048576,
              replicaDirectoryId: topicId,
              highWatermark: 76,
            },
            {
              partition: 2,
              currentLeaderEpoch: -1,
              fetchOffset: Number.POSITIVE_INFINITY,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: 0,
              replicaDirectoryId: zeroId,
              highWatermark: Number.POSITIVE_INFINITY,
            },
          ],
        },
      ],
      forgottenTopicsData: [{ topic: '', topicId, partitions: [8, 9] }],
      rackId: 'r1',
    })
  })

  test('JoinGroup request v0 has the defaults of what its client does not send', () => {
    assert.deepEqual(golden('JoinGroup request', 0), {
      groupId: 'g',
      sessionTimeoutMs: 10000,
      rebalanceTimeoutMs: -1,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([0, 1, 2]) }],
      reason: null,
    })
  })

  test('Metadata request v7 with null topics is understood', () => {
    assert.deepEqual(golden('Metadata request', 7), {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  })
})

function golden(message: string, version: number): unknown {
  const frame = goldenFrames.find((each) => each.message === message && each.version === version)
  assert.ok(frame)
  return readFrame(message, version, Buffer.from(frame.hex, 'hex')).value
}

function readFrame(message: string, version: number, frame: Buffer): { api: AnyApi; value: unknown } {
  const [name, kind] = message.split(' ')
  const api = apis.find((each) => each.name === name)
  assert.ok(api)
  if (kind === 'response') {
    const { correlationId, response } = readResponse(api, version, frame)
    assert.equal(correlationId, 7)
    return { api, value: response }
  }
  const header = readRequestHeader(frame)
  const { bodyStart, ...rest } = header
  assert.deepEqual(rest, { apiKey: api.key, apiVersion: version, correlationId: 7, clientId: 'golden' })
  return { api, value: readRequest(api, header, frame) }
}

/** What was read, as a writer takes it: records as a list of pieces. */
function encodable(value: unknown): EncodableOf<AnyApi['request']> {
  const pieces = (key: string, part: unknown): unknown => {
    if (key === 'records' && part !== null) return [part]
    if (Array.isArray(part)) return part.map((element) => pieces('', element))
    if (typeof part !== 'object' || part === null || Buffer.isBuffer(part)) return part
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, pieces(name, inner)]))
  }
  return pieces('', value) as EncodableOf<AnyApi['request']>
}
