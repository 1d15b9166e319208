import type * as z from 'zod'
import type { Clock } from '../base/clock.js'
import type { Log } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { Cluster } from '../state/cluster.js'
import type { PipelineRecord } from './record.js'

/**
 * The contracts of the engine: a source gives records, steps change them, sinks keep them.
 *
 * A component is one file: its spec (name, options, summary, delivery class) on top, then the function that opens
 * it. The catalog lists all specs; the configuration, the linter and the documentation read them from there.
 */

/** What happens to a record that is delivered twice because of a crash, from weakest to strongest. */
export const deliveryClasses = ['at-most-once', 'at-least-once', 'exactly-once'] as const
export type DeliveryClass = (typeof deliveryClasses)[number]

/** What a component may use of the world. */
export interface ComponentContext {
  /** The pipeline's name. */
  pipeline: string
  /** The topic the pipeline reads. */
  topic: string
  cluster: Cluster
  clock: Clock
  random: Random
  log: Log
  /** Where the `stdout` sink writes. */
  stdout: NodeJS.WritableStream
}

interface Spec<Kind extends string, Options> {
  kind: Kind
  /** The key under `[[pipeline.step]]` or `[[pipeline.sink]]`. */
  name: string
  /** Checks the options and fills in the defaults. */
  options: z.ZodType<Options>
  /** One sentence for the documentation. */
  summary: string
  /** The strongest class that a pipeline through this component can have. */
  delivery: DeliveryClass
}

/** Where a pipeline's records come from, and from where it goes on after a crash. */
export interface SourceSpec<Options> extends Spec<'source', Options> {
  open(options: Options, context: ComponentContext): Source
}

export interface Source {
  /** The partitions there are now; none while the topic does not exist. May grow. */
  partitions(): readonly number[]
  /**
   * Changes when there is another source of the same name (a topic deleted and created again); all other methods go
   * on to mean the first one.
   */
  identity(): string | undefined
  /** Where the records of a partition begin and end; undefined when it is gone. */
  bounds(partition: number): { start: number; end: number } | undefined
  /** The records at `offset` and after, of some `bytesMax` bytes (at least one batch). None at the end. */
  read(partition: number, offset: number, bytesMax: number): Promise<SourceChunk>
  /** Calls `wake` (which only notes it) when the partition has changed. Returns how to stop. */
  watch(partition: number, wake: () => void): () => void
}

/** Some records as they were stored, and the offset to go on from. */
export interface SourceChunk {
  records: SourceRecord[]
  /** The offset after the last record read, also when that was dropped (control batches). */
  nextOffset: number
}

export interface SourceRecord {
  offset: number
  timestampMs: number
  key: Buffer | null
  value: Buffer | null
  headers: readonly RecordHeader[]
  /** Bytes of memory the record counts for. */
  bytes: number
  /** Set when this is no record but bytes (in `value`) that can't be read as some: why. */
  unreadable?: string
}

export interface RecordHeader {
  key: string
  value: Buffer | null
}

/** One record in, none (dropped), one (changed or not) or several out. */
export interface StepSpec<Options> extends Spec<'step', Options> {
  /** Rejects when the options can't work (an expression that does not compile): the pipeline does not start. */
  open(options: Options, context: StepContext): Promise<Step>
}

/** Steps are pure: what they see of the world is how the values are coded. */
export interface StepContext {
  format: ValueFormat
}

/** How a topic's values are read: as JSON documents, or as bytes that are passed on. */
export type ValueFormat = 'json' | 'raw'

export interface Step {
  /**
   * What becomes of the record; the record itself must not be changed. Throws when the record can't be handled:
   * it then goes to the dead-letter topic with the error's message as the reason.
   */
  apply(record: PipelineRecord): readonly PipelineRecord[] | Promise<readonly PipelineRecord[]>
}

/** Where records end up. */
export interface SinkSpec<Options> extends Spec<'sink', Options> {
  /**
   * Opens nothing that can fail because of the world: that is for the first `write`, which is retried.
   * `exclusive`, if given, names what two sinks must not share (a file).
   */
  open(options: Options, context: ComponentContext): Sink
  exclusive?(options: Options): string | undefined
}

export interface Sink {
  /**
   * Writes the records, in order. When it resolves, each record that is not among the failures is kept as durably as
   * the sink can. A rejection means that none or an unknown part was written: all are written again (`SinkError`
   * says whether that makes sense). Several batches, of different partitions, may be under way at a time.
   */
  write(batch: readonly PipelineRecord[], signal: AbortSignal): Promise<WriteResult>
  close(): Promise<void>
}

export interface WriteResult {
  failures: readonly RecordFailure[]
}

/** A record of the batch, by its place there, that was not written. */
export interface RecordFailure {
  index: number
  error: SinkError
}

/** All records of the batch were written. */
export const allWritten: WriteResult = { failures: [] }

export interface SinkErrorOptions {
  /** Whether the same write may succeed later. If not, the record goes to the dead-letter topic at once. */
  retry: boolean
  /** The target asked to wait so long. */
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** A sink could not write. Anything else that `write` throws counts as one with `retry`. */
export class SinkError extends Error {
  override readonly name = 'SinkError'
  readonly retry: boolean
  readonly retryAfterMs: number | undefined

  constructor(message: string, options: SinkErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.retry = options.retry
    this.retryAfterMs = options.retryAfterMs
  }
}
