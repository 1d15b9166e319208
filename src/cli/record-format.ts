import { isUtf8 } from 'node:buffer'
import type { FetchedRecord } from './client/fetcher.js'

/** Makes the bytes that are shown of a record, line end included. */
export type RecordFormat = (record: FetchedRecord) => Buffer

const newline = Buffer.from('\n')

/** The value alone, byte by byte. */
export const valueFormat: RecordFormat = (record) => Buffer.concat([record.value ?? Buffer.alloc(0), newline])

/** A JSON object; a key or value that is not UTF-8 is `{"base64": …}`. */
export const jsonFormat: RecordFormat = ({ topic, partition, offset, timestampMs, key, value, headers }) =>
  Buffer.from(
    `${JSON.stringify({
      topic,
      partition,
      offset,
      timestamp: timestampMs,
      key: jsonText(key),
      value: jsonText(value),
      headers: headers.map((header) => [header.key, jsonText(header.value)]),
    })}\n`,
  )

/**
 * A format in kcat's letters: %t topic, %p partition, %o offset, %T timestamp, %k key, %s or %v value, %h headers,
 * %% a percent sign; \n and \t as usual. A line end follows each record.
 */
export function templateFormat(template: string): RecordFormat {
  const parts = template.match(/%[a-zA-Z%]|\\[nt\\]|[^%\\]+|[%\\]/g) ?? []
  return (record) => Buffer.concat([...parts.map((part) => show(part, record)), newline])
}

function show(part: string, record: FetchedRecord): Buffer {
  switch (part) {
    case '%t':
      return Buffer.from(record.topic)
    case '%p':
      return Buffer.from(String(record.partition))
    case '%o':
      return Buffer.from(String(record.offset))
    case '%T':
      return Buffer.from(String(record.timestampMs))
    case '%k':
      return record.key ?? Buffer.alloc(0)
    case '%s':
    case '%v':
      return record.value ?? Buffer.alloc(0)
    case '%h':
      return Buffer.from(record.headers.map(({ key, value }) => `${key}=${value?.toString() ?? ''}`).join(','))
    case '%%':
      return Buffer.from('%')
    case '\\n':
      return newline
    case '\\t':
      return Buffer.from('\t')
    case '\\\\':
      return Buffer.from('\\')
    default:
      return Buffer.from(part)
  }
}

function jsonText(bytes: Buffer | null): string | { base64: string } | null {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
}
