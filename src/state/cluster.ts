import type { ErrorCode } from '../protocol/error-codes.js'

/** A topic id: 16 bytes as 32 lower-case hexadecimal digits (Kafka's Uuid, KIP-516). */
export type TopicId = string

export interface Topic {
  readonly name: string
  readonly id: TopicId
  readonly partitionCount: number
  /** Only what was set; defaults are in `topic-configs.ts`. */
  readonly configs: ReadonlyMap<string, string>
  readonly createdAtMs: number
  /** In a cluster of several ledgers: the version of the catalogue that made it what it is; see `views/catalogue.ts`. */
  readonly changedAt?: number
}

export interface TopicPartition {
  topicId: TopicId
  partition: number
}

/** Where a partition's log begins and ends. All acknowledged records are durable: the log's end is its high watermark. */
export interface LogOffsets {
  logStartOffset: number
  /** One past the last record: high watermark and log end offset. */
  highWatermark: number
  /** Reads of committed records end here. Equal to the high watermark while no transaction is open. */
  lastStableOffset: number
}

/** The offsets of a partition as they are at any moment, for who looks at them again and again. */
export interface LivePartition extends Readonly<LogOffsets> {
  /** It was deleted. */
  readonly isGone: boolean
}

/** One record batch (magic 2) to be appended; its header and CRC have been checked. */
export interface BatchToAppend extends TopicPartition {
  /** The batch's bytes. They are kept, not copied: nobody may change them afterwards. */
  batch: Buffer
}

export interface AppendOutcome {
  errorCode: ErrorCode
  errorMessage?: string
  /** The first record's offset; for a duplicate of an idempotent producer that of the original; -1 on error. */
  baseOffset: number
  logStartOffset: number
}

/** Batches of one partition. */
export interface ReadBatches {
  /** Pieces of whole record batches, offsets in place, ready to be sent. */
  readonly batches: Buffer[]
  /** Total length of the pieces, bytes. */
  readonly bytes: number
}

export interface ReadResult extends ReadBatches {
  /**
   * To be called when nobody uses the pieces any more, at most once: their memory is then used again. Who does not call it
   * leaves them to the garbage collector.
   */
  release(): void
}

/** Partitions that are read for one answer. */
export interface Reading {
  /**
   * Reads whole batches, the first of which contains `offset`. Nothing at the log's end. At once, if they are in memory
   * or the store has them at hand; but not too much, so that others have their turn.
   * @throws UnavailableError, at once or later, when this instance may not know what others wrote; StoreError; CorruptObjectError.
   */
  read(topicId: TopicId, partition: number, offset: number, options: ReadOptions): ReadBatches | Promise<ReadBatches>
  /** As in `ReadResult`, of all that was read. */
  release(): void
}

export interface TopicToCreate {
  name: string
  partitionCount: number
  configs: ReadonlyMap<string, string>
}

export interface TopicOutcome {
  errorCode: ErrorCode
  errorMessage?: string
  topic?: Topic
}

export interface Topics {
  /** As this instance knows it now; a caller that is to refuse because of `undefined` asks behind a `barrier`. */
  byName(name: string): Topic | undefined
  byId(id: TopicId): Topic | undefined
  /** All topics, in the order of their creation. */
  all(): Iterable<Topic>
  /** Creates the topic; TOPIC_ALREADY_EXISTS with the existing topic if the name is taken. */
  create(topic: TopicToCreate): Promise<TopicOutcome>
  delete(id: TopicId): Promise<TopicOutcome>
  /** Raises the partition count; INVALID_PARTITIONS if it is not a raise. */
  createPartitions(id: TopicId, partitionCount: number): Promise<TopicOutcome>
  /**
   * Resolves when this instance knows which topics there are, by all that anybody was acknowledged before the call. For
   * who asks for nothing else it costs less than the cluster's barrier.
   * @throws UnavailableError when the tail can't be confirmed.
   */
  barrier(): Promise<void>
}

export interface ReadOptions {
  /** Whole batches up to so many bytes; at least the first batch whatever its size, unless `strict`. */
  bytesMax: number
  /** Give nothing rather than a first batch larger than `bytesMax` (KIP-74: every partition after the first). */
  strict?: boolean
}

/** Records: append, read, wait. */
export interface Logs {
  /**
   * Appends the batches, each on its own; outcomes in the same order. Their place in the order of this instance's
   * appends is fixed when the call returns (before the promise settles).
   * @throws UnavailableError when this instance can't reach the store or is closing.
   */
  append(batches: readonly BatchToAppend[]): Promise<AppendOutcome[]>
  /** `undefined` for an unknown topic or partition. */
  offsets(topicId: TopicId, partition: number): LogOffsets | undefined
  /** Likewise, kept up to date. */
  live(topicId: TopicId, partition: number): LivePartition | undefined
  /** Bytes a read from `offset` would find, at most `bytesMax`; costs no I/O. */
  available(topicId: TopicId, partition: number, offset: number, bytesMax: number): number
  /** Begins to read for an answer. */
  reading(): Reading
  /** Reads one partition for an answer of its own. */
  read(topicId: TopicId, partition: number, offset: number, options: ReadOptions): Promise<ReadResult>
  /** Moves the log start forward (DeleteRecords); `offset` -1 means the high watermark. Gives the new log start. */
  deleteRecords(
    topicId: TopicId,
    partition: number,
    offset: number,
  ): Promise<{ errorCode: ErrorCode; logStartOffset: number }>
  /**
   * Calls `wake` when one of the partitions changes (records, log start, deletion). Returns how to stop.
   * `wake` is called synchronously while the ledger is applied: it only notes, it does not work.
   */
  watch(partitions: readonly TopicPartition[], wake: () => void): () => void
  /** The first record with a timestamp ≥ `timestampMs`, or undefined. */
  offsetForTime(
    topicId: TopicId,
    partition: number,
    timestampMs: number,
  ): Promise<{ offset: number; timestampMs: number } | undefined>
  /** The first record with the largest timestamp, or undefined for an empty log (KIP-734). */
  offsetOfMaxTimestamp(
    topicId: TopicId,
    partition: number,
  ): Promise<{ offset: number; timestampMs: number } | undefined>
}

export interface Producers {
  /**
   * A producer id and epoch (InitProducerId). With `producerId` ≥ 0 (KIP-360): the same id with the epoch raised, if `producerEpoch`
   * is still current.
   */
  init(
    producerId: number,
    producerEpoch: number,
  ): Promise<{ errorCode: ErrorCode; producerId: number; producerEpoch: number }>
}

/** One committed offset. */
export interface CommittedOffset {
  offset: number
  leaderEpoch: number
  metadata: string
  committedAtMs: number
}

/**
 * A named lease: at most one process works under it. A holder that can't renew it in time loses it: its `signal`
 * is aborted before anybody else can hold it.
 */
export interface Lease {
  readonly name: string
  /** Raised by each change of holder; a commit that carries it is refused once somebody else has the lease. */
  readonly term: number
  readonly signal: AbortSignal
  release(): Promise<void>
}

export interface Leases {
  /**
   * Waits until the lease is ours; rejects with the signal's reason when `signal` is aborted first.
   * @param groupId the group whose offsets are committed under it; the one of the lease's name unless given
   */
  acquire(name: string, signal: AbortSignal, groupId?: string): Promise<Lease>
}

/** Offsets that a pipeline commits for itself, under its lease, in the group of the same name as Kafka tools see it. */
export interface PipelineOffsets {
  committed(groupId: string, topic: string, partition: number): Promise<CommittedOffset | undefined>
  /** Commits if `lease` (when given) is still held under that term; false if it is not. */
  commit(groupId: string, topic: string, offsets: ReadonlyMap<number, number>, lease?: Lease): Promise<boolean>
}

/** The face of the state, as the server's handlers and the pipelines see it. */
export interface Cluster {
  readonly clusterId: string
  readonly topics: Topics
  readonly logs: Logs
  readonly producers: Producers
  readonly leases: Leases
  readonly pipelineOffsets: PipelineOffsets
  /**
   * Resolves when this instance has applied everything that anybody was acknowledged before the call.
   * @throws UnavailableError when the tail can't be confirmed.
   */
  barrier(): Promise<void>
  /** Why this instance should not be sent clients now, or undefined when all is well. */
  unhealthy(): string | undefined
  /** Finishes what is under way, says good-bye in the ledger, releases the store. */
  close(): Promise<void>
}
