import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../base/errors.js'
import { stringifyJson } from './json.js'
import { headersOf, type PipelineRecord } from './record.js'
import type { PipelineSpec, PipelineTest, TestRecord } from './spec.js'

export interface TestResult {
  name: string
  /** What came out instead, in one line; undefined if the test passed. */
  problem: string | undefined
}

/** Runs the pipeline's own tests (`[[pipeline.test]]`): a record through the steps, no sinks. */
export async function testPipeline(spec: PipelineSpec): Promise<TestResult[]> {
  const steps = await Promise.all(spec.steps.map(({ component, options }) => component.open(options, spec)))
  const results: TestResult[] = []
  for (const test of spec.tests) {
    let records: readonly PipelineRecord[] = [recordOf(test.in, spec)]
    let problem: string | undefined
    try {
      for (const step of steps) {
        const next: PipelineRecord[] = []
        for (const record of records) next.push(...(await step.apply(record)))
        records = next
      }
      problem = difference(test, records)
    } catch (error) {
      problem = `dead letter: ${messageOf(error)}`
    }
    results.push({ name: test.name, problem })
  }
  return results
}

function recordOf(given: TestRecord, spec: PipelineSpec): PipelineRecord {
  const text = typeof given.value === 'string' ? given.value : stringifyJson(given.value ?? null)
  return {
    topic: spec.from,
    partition: 0,
    offset: 0,
    timestampMs: given.timestamp ?? 0,
    key: given.key === undefined || given.key === null ? null : Buffer.from(given.key),
    headers: Object.entries(given.headers ?? {}).map(([key, value]) => ({ key, value: Buffer.from(value) })),
    // TOML's tables have no prototype; a document read from a topic has one.
    value: spec.format === 'raw' ? Buffer.from(text) : plain(given.value),
    stored: undefined,
    bytes: 0,
  }
}

function difference(test: PipelineTest, records: readonly PipelineRecord[]): string | undefined {
  if (records.length !== test.out.length)
    return `expected ${test.out.length} records out, got ${records.length}: ${records.map(show).join(' ')}`
  for (const [i, expected] of test.out.entries()) {
    const record = records[i]
    if (record === undefined) return `record ${i + 1} is missing`
    const value = Buffer.isBuffer(record.value) ? record.value.toString('utf8') : plain(record.value)
    if ('value' in expected && !isDeepStrictEqual(value, plain(expected.value)))
      return `record ${i + 1}: expected value ${stringifyJson(expected.value)}, got ${show(record)}`
    if (expected.key !== undefined && (record.key?.toString('utf8') ?? null) !== expected.key)
      return `record ${i + 1}: expected key ${expected.key}, got ${record.key?.toString('utf8') ?? null}`
    if (expected.headers !== undefined && !isDeepStrictEqual({ ...headersOf(record) }, { ...expected.headers }))
      return `record ${i + 1}: expected headers ${stringifyJson(expected.headers)}, got ${stringifyJson(headersOf(record))}`
  }
  return undefined
}

function show(record: PipelineRecord): string {
  return Buffer.isBuffer(record.value) ? record.value.toString('utf8') : stringifyJson(record.value)
}

function plain(value: unknown): unknown {
  return value === undefined
    ? null
    : JSON.parse(JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? `${member}n` : member)))
}
