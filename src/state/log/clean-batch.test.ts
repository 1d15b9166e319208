import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchAttribute, BatchPosition, readBatchHeader, writeInt64 } from '../../protocol/records/batch.js'
import { crc32c } from '../../protocol/records/crc32c.js'
import { type BatchToEncode, decodeRecords, encodeBatch } from '../../protocol/records/record.js'
import { type CleaningRules, cleanBatch } from './clean-batch.js'
import { OffsetMap } from './offset-map.js'

const nowMs = 1_700_000_000_000
const base = 100

/** Rules of a cleaning that knows the given last offsets. */
function rulesFor(known: Record<string, number>, changed: Partial<CleaningRules> = {}): CleaningRules {
  const map = new OffsetMap(10_000)
  for (const [key, offset] of Object.entries(known)) map.put(Buffer.from(key), offset)
  return {
    map,
    firstDirtyOffset: 0,
    mapEnd: 1_000,
    logStartOffset: 0,
    lastOffset: 5_000,
    nowMs,
    deleteRetentionMs: 60_000,
    ...changed,
  }
}

/** A batch at offset 100 of records `key=value`, `key` for a tombstone, and `=value` without a key. */
function placed(texts: readonly string[], changed: Partial<BatchToEncode> = {}) {
  const records = texts.map((text) => {
    const [key, value] = text.split('=')
    const bytes = (part: string | undefined) => (part === undefined ? null : Buffer.from(part))
    return { timestampMs: nowMs - 500, key: key === '' ? null : bytes(key), value: bytes(value), headers: [] }
  })
  const bytes = encodeBatch({ records, baseOffset: base, ...changed })
  return { bytes, baseOffset: base, lastOffset: base + texts.length - 1 }
}

const textsOf = (bytes: Buffer | undefined) =>
  bytes && decodeRecords(bytes).map(({ offset, key, value }) => `${offset}:${key}${value === null ? '' : `=${value}`}`)

function clean(
  texts: readonly string[],
  rules: CleaningRules,
  changed: Partial<BatchToEncode> = {},
  hasOpaque = false,
) {
  const cleaned = cleanBatch(placed(texts, changed), rules, hasOpaque)
  return { ...cleaned, texts: textsOf(cleaned.bytes) }
}

test('a record goes if there is a later one of its key, or if it has no key', () => {
  const found = clean(['a=1', 'b=1', '=1', 'c=1', 'a=2'], rulesFor({ a: 104, b: 900, c: 103 }))
  assert.deepEqual(found.texts, ['103:c=1', '104:a=2'])
  assert.deepEqual([found.records, found.removed], [5, 3])
  const batch = placed(['a=1', 'b=1'])
  assert.equal(cleanBatch(batch, rulesFor({ b: 101 }), false).bytes, batch.bytes)
  assert.equal(clean(['a=1', 'b=1'], rulesFor({ a: 500, b: 501 })).bytes, undefined)
})

test('records that the map does not reach, and the last of the log, stay', () => {
  const texts = ['a=1', '=1', 'a=2', '=2']
  assert.deepEqual(clean(texts, rulesFor({ a: 102 }, { mapEnd: 101 })).texts, ['101:null=1', '102:a=2', '103:null=2'])
  assert.deepEqual(clean(texts, rulesFor({ a: 102 }, { lastOffset: 103 })).texts, ['102:a=2', '103:null=2'])
})

test('what lies before the log start goes', () => {
  assert.deepEqual(clean(['a=1', 'b=1', 'c=1'], rulesFor({}, { logStartOffset: 102 })).texts, ['102:c=1'])
})

test('a tombstone gets its delete horizon when it is first cleaned, and goes when that has passed', () => {
  const first = clean(['a', 'b=1', 'c'], rulesFor({ a: 100, b: 101, c: 102 }))
  assert.deepEqual(first.texts, ['100:a', '101:b=1', '102:c'])
  assert.equal(first.deleteHorizonMs, nowMs + 60_000)
  const header = readBatchHeader(first.bytes as Buffer)
  assert.deepEqual([header.hasDeleteHorizon, header.baseTimestamp], [true, nowMs + 60_000])
  assert.equal(decodeRecords(first.bytes as Buffer)[0]?.timestampMs, nowMs - 500)

  const again = { bytes: first.bytes as Buffer, baseOffset: base, lastOffset: base + 2 }
  const later = (ms: number) => rulesFor({}, { nowMs: nowMs + ms, firstDirtyOffset: 200 })
  const before = cleanBatch(again, later(59_999), false)
  assert.equal(before.bytes, again.bytes)
  assert.equal(before.deleteHorizonMs, nowMs + 60_000)
  const after = cleanBatch(again, later(60_000), false)
  assert.deepEqual(textsOf(after.bytes), ['101:b=1'])
  assert.equal(after.deleteHorizonMs, -1)
  // What may concern it lies in a batch that nobody can judge.
  assert.equal(cleanBatch(again, later(60_000), true).bytes, again.bytes)
  assert.equal(clean(['a'], rulesFor({ a: 100 }), {}, true).deleteHorizonMs, -1)
})

test('a delete horizon that a producer made up counts for nothing', () => {
  const { bytes } = placed(['a', 'b=1'])
  bytes.writeInt16BE(BatchAttribute.deleteHorizon, BatchPosition.attributes)
  writeInt64(bytes, BatchPosition.baseTimestamp, 1)
  bytes.writeUInt32BE(crc32c(bytes.subarray(BatchPosition.attributes)), BatchPosition.crc)
  const cleaned = cleanBatch({ bytes, baseOffset: base, lastOffset: base + 1 }, rulesFor({ a: 100 }), false)
  assert.deepEqual(textsOf(cleaned.bytes), ['100:a', '101:b=1'])
  assert.equal(cleaned.deleteHorizonMs, nowMs + 60_000)
})

test('however long tombstones are to stay, their batch can be written', () => {
  const found = clean(['a', 'b=1'], rulesFor({ b: 900 }, { deleteRetentionMs: Number('9223372036854775807') }))
  assert.deepEqual(found.texts, ['100:a'])
  assert.ok(found.deleteHorizonMs > nowMs + 1e15)
})

test('batches of transactions, and control batches, stay as they are', () => {
  for (const changed of [{ isTransactional: true }, { isTransactional: true, isControl: true }, { isControl: true }]) {
    const batch = placed(['a=1', '=1', 'b'], changed)
    const cleaned = cleanBatch(batch, rulesFor({ a: 900, b: 900 }), false)
    assert.equal(cleaned.bytes, batch.bytes)
    assert.deepEqual([cleaned.isOpaque, cleaned.deleteHorizonMs], [true, -1])
  }
})

test('a batch that claims to be compressed and is not stays as it is', () => {
  const batch = placed(['a=1'])
  batch.bytes.writeInt16BE(1, BatchPosition.attributes)
  batch.bytes.writeUInt32BE(crc32c(batch.bytes.subarray(BatchPosition.attributes)), BatchPosition.crc)
  const cleaned = cleanBatch(batch, rulesFor({ a: 900 }), false)
  assert.equal(cleaned.bytes, batch.bytes)
  assert.equal(cleaned.isOpaque, true)
})
