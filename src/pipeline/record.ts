import type { RecordHeader, SourceRecord, ValueFormat } from './component.js'
import { parseJson, stringifyJson } from './json.js'

/** A record on its way through a pipeline. Never changed; a step gives a new one. */
export interface PipelineRecord {
  /** Where it came from: topic, partition and offset of the record it was made of. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly headers: readonly RecordHeader[]
  /** With the format `json` the document, with `raw` the bytes as a Buffer; null for a record without a value. */
  readonly value: unknown
  /** The value's bytes as they were stored, as long as no step has changed it. */
  readonly stored: Buffer | null | undefined
  /** Bytes of memory the record counts for. */
  readonly bytes: number
}

/**
 * The record that a stored one stands for.
 * @throws SyntaxError when the format is `json` and the value is no JSON document in UTF-8.
 */
export function decodeRecord(
  stored: SourceRecord,
  topic: string,
  partition: number,
  format: ValueFormat,
): PipelineRecord {
  return {
    topic,
    partition,
    offset: stored.offset,
    timestampMs: stored.timestampMs,
    key: stored.key,
    headers: stored.headers,
    value: stored.value === null || format === 'raw' ? stored.value : parseJson(text(stored.value)),
    stored: stored.value,
    bytes: stored.bytes,
  }
}

/** The record with another value. */
export function withValue(record: PipelineRecord, value: unknown): PipelineRecord {
  return { ...record, value, stored: undefined }
}

/** The value as bytes, as a topic keeps it; null when there is none. */
export function valueBytes(record: PipelineRecord): Buffer | null {
  if (record.stored !== undefined) return record.stored
  if (record.value === null || Buffer.isBuffer(record.value)) return record.value
  return Buffer.from(stringifyJson(record.value))
}

/** What sinks of text write of a record: its value alone, or the record with all that belongs to it. */
export type RecordContent = 'value' | 'record'

/** The record in one line of JSON, without the line's end. */
export function jsonOf(record: PipelineRecord, content: RecordContent): string {
  const value = Buffer.isBuffer(record.value) ? stringifyJson(textOrBase64(record.value)) : stringifyJson(record.value)
  if (content === 'value') return value
  const rest = JSON.stringify({
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    key: record.key === null ? null : textOrBase64(record.key),
    headers: headersOf(record),
  })
  return `${rest.slice(0, -1)},"value":${value}}`
}

/** The headers as an object of strings; of several with one name the last, as `Headers.lastHeader` of Kafka. */
export function headersOf(record: PipelineRecord): Record<string, string | null> {
  const headers: Record<string, string | null> = Object.create(null)
  for (const { key, value } of record.headers) headers[key] = value === null ? null : value.toString('utf8')
  return headers
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function text(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new SyntaxError('the value is not UTF-8', { cause })
  }
}

/** Bytes in JSON: as a string if they are UTF-8, else as `{"base64": "…"}`. */
function textOrBase64(bytes: Buffer): string | { base64: string } {
  try {
    return utf8.decode(bytes)
  } catch {
    // Not text: said by the other shape.
    return { base64: bytes.toString('base64') }
  }
}
