import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchesIn, crcMatches, readBatchHeader } from './batch.js'
import { checkBatch } from './batch-check.js'
import { type DecodedRecord, decodeRecords } from './record.js'

// What the builder in kafka-clients 4.3.1 writes (MemoryRecordsBuilder, with snappy-java 1.1.10.7, lz4-java 1.10.2
// and zstd-jni 1.5.6-10), in base64: ten records of all shapes, two larger ones for each codec's framing.
const written = {
  none: `
    AAAAAAAAAGQAAAErAAAABwKaclYkAAAAAAAJAAABi8/laAAAAAGLz+WLKP//////////////////AAAACkQAAAABDnZhbHVlLTAECnRyYWNlBnQt
    MBLDvG7Dr2NvZGUBGADQDwIKa2V5LTEBAEIAoB8ECmtleS0yAAQKdHJhY2UGdC0yEsO8bsOvY29kZQEcAI9OBgEOdmFsdWUtMwBQAMA+CAprZXkt
    NA52YWx1ZS00BAp0cmFjZQZ0LTQSw7xuw69jb2RlARgAkE4KCmtleS01AQA4AOBdDAEABAp0cmFjZQZ0LTYSw7xuw69jb2RlASYAsG0OCmtleS03
    DnZhbHVlLTcAUACAfRAKa2V5LTgOdmFsdWUtOAQKdHJhY2UGdC04EsO8bsOvY29kZQEQANCMARIBAQA=`,
  gzip: `
    AAAAAAAAAGQAAADVAAAABwK15aX0AAEAAAAJAAABi8/laAAAAAGLz+WLKP//////////////////AAAACh+LCAAAAAAAAP9zYWBgYOQrS8wpTdU1
    YOEqKUpMTmUr0TUQOrwn7/D65PyUVEYJhgv8TFzZqZW6howMTgwL5FnAHCMGhHIjJOUyDP1+bDAjjRkCGA7YcYA1mEDFTBD6TFCsmeDHBVZoyshg
    wfAglocRyQYzJJVqDBty+cAqzaFGmgOtaagVAItZQMUsEJotkDQLMFzoYRRiZGQAAE23nr76AAAA`,
  'gzip-large': `
    AAAAAAAAAAAAAALA/////wIBbQH0AAEAAAABAAAAAAAAAAUAAAAAAAAABv//////////////////AAAAAh+LCAAAAAAAAP/txssNQEAUAMBnD6IG
    Z435rF+EAwXqgJLUIZk5zfs0EVHcT9N2/ZDHaV5WMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz
    MzMzMzMzMzMzMzMzMzMzMzMzMzMzM7P/L+pIqdra8yqPPccH2LABAvmTBAA=`,
  snappy: `
    AAAAAAAAAGQAAADuAAAABwLp0rs1AAIAAAAJAAABi8/laAAAAAGLz+WLKP//////////////////AAAACoJTTkFQUFkAAAAAAQAAAAEAAACp+gHw
    PEQAAAABDnZhbHVlLTAECnRyYWNlBnQtMBLDvG7Dr2NvZGUBGADQDwIKa2V5LTEBAEIAoB8ECmtleS0yAAQVLwAyHS8QHACPTgYRUxgzAFAAwD4I
    BTEANA1nADQZZwA0HTgQGACQTgoFKSA1AQA4AOBdDAEdYgA2HSoQJgCwbQ4FKgA3DVMYNwBQAIB9EAUUADgNFAA4GWcAOB09IBAA0IwBEgEBAA==`,
  'snappy-large': `
    AAAAAAAAAAAAAAfR/////wKmNVZcAAIAAAABAAAAAAAAAAUAAAAAAAAABv//////////////////AAAAAoJTTkFQUFkAAAAAAQAAAAEAAAYYgIAC
    TJDxBAAAAAGA8QRhYmNkZWZnaGlq/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA
    /goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goA/goArgoAAAABcNk4JGlqYWJjZGVmZ2j+CgD+CgD+CgD+CgD+CgD+CgD+CgD+
    CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+
    CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+
    CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+
    CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgD+CgA4ABoAAgIIbGFzdAZvbmUA`,
  lz4: `
    AAAAAAAAAGQAAADkAAAABwKCKlZ4AAMAAAAJAAABi8/laAAAAAGLz+WLKP//////////////////AAAACgQiTRhgQIKkAAAA8SZEAAAAAQ52YWx1
    ZS0wBAp0cmFjZQZ0LTASw7xuw69jb2RlARgA0A8CCmtleS0xAQBCAKAfBA0AJjIALwAXMi8AVBwAj04GUwBxMwBQAMA+CDEAEzRnABY0OAAXNDgA
    URgAkE4KKQCXNQEAOADgXQwBYgAXNioAUSYAsG0OKgATN1MAcTcAUACAfRAUABM4FAAWOGcAFzg9AJAQANCMARIBAQAAAAAA`,
  'lz4-large': `
    AAAAAAAAAAAAAAK8/////wIRXzCXAAMAAAABAAAAAAAAAAUAAAAAAAAABv//////////////////AAAAAgQiTRhgQIIfAQAA/wXQixEAAAABwIsR
    YWJjZGVmZ2hpagoA////////////////////////////////////////////////////////////////////////////////////////////////
    ////////////////////////////////////////////////////////////////////////////////////////////////////////////////
    ////////////////////////////////////////////////////////////////////////////////////////////////////////////////
    /////////////////////9RQYmNkZWYUAQAAr2doaWphYmNkZWYKAP//////////////////////////////////////////////////////////
    ////////////////////////////////////////////////////////////////////////////////////////////////////////////////
    ////////////////////////////////////////////////////////////////////////////////////////////////////////////////
    ///////////////////////////////////////////////////////////eUGhpamFiQQAAAK9jZGVmZ2hpamFiCgD/////////////////////
    ////////////////////////7/AAABoAAgIIbGFzdAZvbmUAAAAAAA==`,
  zstd: `
    AAAAAAAAAGQAAADUAAAABwKf2f5OAAQAAAAJAAABi8/laAAAAAGLz+WLKP//////////////////AAAACii1L/0AWLwEANQGRAAAAAEOdmFsdWUt
    MAQKdHJhY2UGdC0wEsO8bsOvY29kZQEYANAPAgprZXktMQEAQgCgHwQyADIcAI9OBjMAUADAPgg0NDSQTgo1AQA4AOBdDAE2JgCwbQ43NwBQAIB9
    EDg4OBAA0IwBEgEBABEAYAQI+0Cym23BMSuIB0aUwQ64BpyDzdSQgmozVngKIpMKtgJh7gEBAAA=`,
  'zstd-large': `
    AAAAAAAAAAAAAACA/////wIdnFvSAAQAAAABAAAAAAAAAAUAAAAAAAAABv//////////////////AAAAAii1L/0AWOQAAKDQzyQAAAABwM8kYWJj
    ZGVmZ2hpagEA0v+bFyZMAAAIYwEA/P85EALEAACAZQAaAAICCGxhc3QGb25lAAEA5hMdCAEBAAA=`,
  'append-time': `
    AAAAAAAAAGQAAAErAAAABwL1Nih3AAgAAAAJAAABi8/laAAAAAGLz+bquP//////////////////AAAACkQAAAABDnZhbHVlLTAECnRyYWNlBnQt
    MBLDvG7Dr2NvZGUBGADQDwIKa2V5LTEBAEIAoB8ECmtleS0yAAQKdHJhY2UGdC0yEsO8bsOvY29kZQEcAI9OBgEOdmFsdWUtMwBQAMA+CAprZXkt
    NA52YWx1ZS00BAp0cmFjZQZ0LTQSw7xuw69jb2RlARgAkE4KCmtleS01AQA4AOBdDAEABAp0cmFjZQZ0LTYSw7xuw69jb2RlASYAsG0OCmtleS03
    DnZhbHVlLTcAUACAfRAKa2V5LTgOdmFsdWUtOAQKdHJhY2UGdC04EsO8bsOvY29kZQEQANCMARIBAQA=`,
  transactional: `
    AAAAAAAAAGQAAAErAAAABwII+TybABAAAAAJAAABi8/laAAAAAGLz+WLKAAAAADuaygAAAMAAAARAAAACkQAAAABDnZhbHVlLTAECnRyYWNlBnQt
    MBLDvG7Dr2NvZGUBGADQDwIKa2V5LTEBAEIAoB8ECmtleS0yAAQKdHJhY2UGdC0yEsO8bsOvY29kZQEcAI9OBgEOdmFsdWUtMwBQAMA+CAprZXkt
    NA52YWx1ZS00BAp0cmFjZQZ0LTQSw7xuw69jb2RlARgAkE4KCmtleS01AQA4AOBdDAEABAp0cmFjZQZ0LTYSw7xuw69jb2RlASYAsG0OCmtleS03
    DnZhbHVlLTcAUACAfRAKa2V5LTgOdmFsdWUtOAQKdHJhY2UGdC04EsO8bsOvY29kZQEQANCMARIBAQA=`,
  control: 'AAAAAAAAADcAAABCAAAABAIkDh+6ADAAAAAAAAABi8/laAAAAAGLz+VoAAAAAADuaygAAAP/////AAAAASAAAAAIAAAAAQwAAAAAAAkA',
}

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const largeValueBytes = { gzip: 300_000, snappy: 40_000, lz4: 140_000, zstd: 300_000 }

const batchOf = (name: keyof typeof written) => Buffer.from(written[name].replaceAll(/\s/g, ''), 'base64')

function recordsWritten(appendTimeMs?: number): DecodedRecord[] {
  const records: DecodedRecord[] = []
  for (let i = 0; i < 10; i++) {
    const value = i % 4 === 2 ? Buffer.alloc(0) : Buffer.from(`value-${i}`)
    records.push({
      offset: 100 + i,
      timestampMs: appendTimeMs ?? 1_700_000_000_000 + (i === 3 ? -5000 : i * 1000),
      key: i % 3 === 0 ? null : Buffer.from(`key-${i}`),
      value: i % 4 === 1 ? null : value,
      headers:
        i % 2 === 0
          ? [
              { key: 'trace', value: Buffer.from(`t-${i}`) },
              { key: 'ünïcode', value: null },
            ]
          : [],
    })
  }
  return records
}

for (const codec of codecs) {
  test(`records that Java compressed with ${codec} are read as they were written`, () => {
    const batch = batchOf(codec)
    assert.equal(readBatchHeader(batch).compression, codec)
    assert.ok(crcMatches(batch))
    assert.deepEqual(decodeRecords(batch), recordsWritten())
  })
}

for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`a batch that fills several blocks of Java's ${codec} is read whole`, () => {
    const batch = batchOf(`${codec}-large`)
    const [large, last] = decodeRecords(batch)
    const value = Buffer.alloc(largeValueBytes[codec], 'abcdefghij')
    assert.ok(large?.value?.equals(value))
    assert.deepEqual(last, {
      offset: 1,
      timestampMs: 6,
      key: Buffer.from('last'),
      value: Buffer.from('one'),
      headers: [],
    })
    assert.equal(checkBatch(batch, { maxBytes: batch.length }).errorCode, 0)
  })
}

test("with LogAppendTime every record has the batch's time", () => {
  assert.deepEqual(decodeRecords(batchOf('append-time')), recordsWritten(1_700_000_099_000))
})

test("the header of a transactional producer's batch is read as Java wrote it", () => {
  const batch = batchOf('transactional')
  assert.deepEqual(readBatchHeader(batch), {
    baseOffset: 100,
    batchLength: 299,
    sizeInBytes: 311,
    partitionLeaderEpoch: 7,
    magic: 2,
    crc: batch.readUInt32BE(17),
    attributes: 0x10,
    compression: 'none',
    timestampType: 'createTime',
    isTransactional: true,
    isControl: false,
    hasDeleteHorizon: false,
    lastOffsetDelta: 9,
    baseTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_009_000,
    producerId: 4_000_000_000,
    producerEpoch: 3,
    baseSequence: 17,
    recordCount: 10,
  })
})

test('a commit marker is a control batch whose record has a typed key', () => {
  const batch = batchOf('control')
  const header = readBatchHeader(batch)
  assert.deepEqual([header.isControl, header.isTransactional, header.baseOffset], [true, true, 55])
  const [marker] = decodeRecords(batch)
  assert.deepEqual(marker?.key, Buffer.from([0, 0, 0, 1]))
})

test('batches of several producers, one after another, are told apart', () => {
  const names = ['none', 'zstd', 'control', 'lz4-large'] as const
  const batches = [...batchesIn(Buffer.concat(names.map(batchOf)))]
  assert.deepEqual(batches, names.map(batchOf))
})
