import * as z from 'zod'
import type { BatchLimits } from './batcher.js'
import { sinks, steps } from './catalog.js'
import {
  type DeliveryClass,
  deliveryClasses,
  type SinkSpec,
  type SourceSpec,
  type StepSpec,
  type ValueFormat,
} from './component.js'
import { describeIssue } from './config-error.js'
import { byteSize, duration } from './quantity.js'
import type { RetryPolicy } from './retry.js'
import { topicName } from './sinks/topic.js'
import { topic as topicSource } from './sources/topic.js'

/** One `[[pipeline]]`, checked, with all defaults in place. */
export interface PipelineSpec {
  name: string
  /** The topic it reads. */
  from: string
  format: ValueFormat
  start: 'earliest' | 'latest'
  /** The delivery class the user insists on. */
  requires: DeliveryClass | undefined
  /** Records, and bytes of records, that may be under way. */
  maxInflight: number
  maxInflightBytes: number
  drainTimeoutMs: number
  source: SourceSpec<string>
  steps: StepEntry[]
  sinks: SinkEntry[]
  dlq: { topic: string } | undefined
  tests: PipelineTest[]
}

export interface StepEntry {
  /** Unique in its pipeline: given, or made of the component's name. */
  name: string
  component: StepSpec<unknown>
  options: unknown
}

export interface SinkEntry {
  name: string
  component: SinkSpec<unknown>
  options: unknown
  batch: BatchLimits
  retry: RetryPolicy
}

/** A record in, and the records that come out of the steps; what is not named of those is not compared. */
export interface PipelineTest {
  name: string
  in: TestRecord
  out: TestRecord[]
}

export interface TestRecord {
  value?: unknown
  key?: string | null | undefined
  headers?: Record<string, string> | undefined
  timestamp?: number | undefined
}

/** A pipeline is described wrongly. The message is one line that names the pipeline, the key and what was expected. */
export class PipelineConfigError extends Error {
  override readonly name = 'PipelineConfigError'
  /** The way to the key within the list of pipelines, from 0: `[0, 'sink', 1, 'file']`. */
  readonly path: readonly (string | number)[]

  constructor(message: string, path: readonly (string | number)[]) {
    super(message)
    this.path = path
  }
}

/** The group under which a pipeline's offsets are committed, as Kafka's tools see it. */
export function groupOf(pipeline: string): string {
  return `pipeline-${pipeline}`
}

/** The lease under which a pipeline runs. */
export function leaseOf(pipeline: string): string {
  return `pipeline/${pipeline}`
}

const count = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

const componentName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,100}$/, { error: 'expected a name: 1 to 100 of A-Z a-z 0-9 . _ -' })

const batch = z
  .strictObject({
    size: count(1, 100_000).default(500),
    bytes: byteSize(1, 64 * 1024 * 1024).prefault('1MB'),
    timeout: duration(0, 3_600_000).prefault('100ms'),
  })
  .prefault({})

const retry = z
  .strictObject({
    attempts: count(1, 1000).default(8),
    interval: duration(1, 3_600_000).prefault('200ms'),
    max_interval: duration(1, 3_600_000).prefault('30s'),
  })
  .prefault({})

const step = z
  .strictObject({ name: componentName.optional(), ...optionsOf(steps) })
  .superRefine((given, context) => exactlyOne(given, steps, context))

const sink = z
  .strictObject({ name: componentName.optional(), batch, retry, ...optionsOf(sinks) })
  .superRefine((given, context) => exactlyOne(given, sinks, context))

const testRecord = z.strictObject({
  value: z.unknown().optional(),
  key: z.string().nullable().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  timestamp: z.int().optional(),
})

const pipeline = z.strictObject({
  name: componentName,
  from: topicName,
  format: z.enum(['json', 'raw']).default('json'),
  start: z.enum(['earliest', 'latest']).default('earliest'),
  requires: z.enum(deliveryClasses).optional(),
  max_inflight: count(1, 1_000_000).default(10_000),
  max_inflight_bytes: byteSize(1024, 1024 * 1024 * 1024).prefault('16MB'),
  drain_timeout: duration(0, 3_600_000).prefault('10s'),
  step: z.array(step, { error: 'expected steps under [[pipeline.step]]' }).max(100).default([]),
  sink: z
    .array(sink, { error: 'expected at least one [[pipeline.sink]]' })
    .min(1, { error: 'expected at least one [[pipeline.sink]]' })
    .max(100),
  dlq: z.strictObject({ topic: topicName }).optional(),
  test: z
    .array(z.strictObject({ name: z.string(), in: testRecord, out: z.array(testRecord) }), {
      error: 'expected tests under [[pipeline.test]]',
    })
    .default([]),
})

/** The schema of the list `pipeline` of `config.toml`. */
export const pipelinesSchema = z.array(pipeline, { error: 'expected pipelines under [[pipeline]]' }).max(1000)

/**
 * Checks what `config.toml` says under `[[pipeline]]`. Expressions are compiled later, by `lintPipelines`.
 * @throws PipelineConfigError
 */
export function parsePipelines(raw: unknown): PipelineSpec[] {
  const result = pipelinesSchema.safeParse(raw)
  if (!result.success) {
    const { message, path } = describeIssue(result.error, raw, pipelinesSchema)
    throw new PipelineConfigError(message, path)
  }
  const specs = result.data.map((given, index) => specOf(given, index))
  const names = new Set<string>()
  for (const [i, { name }] of specs.entries()) {
    if (names.has(name)) throw new PipelineConfigError(`pipeline "${name}": there are two of this name`, [i, 'name'])
    names.add(name)
  }
  return specs
}

function specOf(given: z.output<typeof pipeline>, index: number): PipelineSpec {
  return {
    name: given.name,
    from: given.from,
    format: given.format,
    start: given.start,
    requires: given.requires,
    maxInflight: given.max_inflight,
    maxInflightBytes: given.max_inflight_bytes,
    drainTimeoutMs: given.drain_timeout,
    source: topicSource,
    steps: named(given.name, [index, 'step'], given.step, steps).map(([entry]) => entry),
    sinks: named(given.name, [index, 'sink'], given.sink, sinks).map(([entry, { batch, retry }]) => ({
      ...entry,
      batch: { size: batch.size, bytes: batch.bytes, timeoutMs: batch.timeout },
      retry: { attempts: retry.attempts, intervalMs: retry.interval, maxIntervalMs: retry.max_interval },
    })),
    dlq: given.dlq,
    tests: given.test,
  }
}

/** Each entry with its component, its options and a name that no other of its kind has. */
function named<Component extends { name: string }, Entry extends { name?: string | undefined }>(
  pipeline: string,
  list: readonly [number, string],
  entries: readonly Entry[],
  catalog: readonly Component[],
): [{ name: string; component: Component; options: unknown }, Entry][] {
  const names = new Set<string>()
  return entries.flatMap((entry, i) => {
    const given = new Map<string, unknown>(Object.entries(entry).filter(([, options]) => options !== undefined))
    const component = catalog.find(({ name }) => given.has(name))
    if (component === undefined) return []
    const name = entry.name ?? `${component.name}-${i + 1}`
    if (names.has(name))
      throw new PipelineConfigError(`pipeline "${pipeline}", ${list[1]} ${i + 1}, name = "${name}": used twice`, [
        ...list,
        i,
        'name',
      ])
    names.add(name)
    return [[{ name, component, options: given.get(component.name) }, entry]]
  })
}

function optionsOf(catalog: readonly { name: string; options: z.ZodType }[]) {
  return Object.fromEntries(catalog.map(({ name, options }) => [name, options.optional()]))
}

function exactlyOne(
  given: Record<string, unknown>,
  catalog: readonly { name: string }[],
  context: z.core.$RefinementCtx,
) {
  const names = catalog.map(({ name }) => name)
  const found = names.filter((name) => given[name] !== undefined)
  if (found.length === 1) return
  const what = found.length === 0 ? 'none is given' : `${found.join(' and ')} are given`
  context.addIssue({ code: 'custom', message: `expected exactly one of ${names.join(', ')}; ${what}`, input: given })
}
