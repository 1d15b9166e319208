import { AssertionError } from '../../base/assert.js'
import { messageOf } from '../../base/errors.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { Fetch, type FetchRequest, type FetchResponse } from '../../protocol/messages/fetch.js'
import type { Cluster, LivePartition, ReadBatches } from '../../state/cluster.js'
import { handle, type RequestContext } from '../handler.js'
import { leaderEpochProblem } from '../leader-epoch.js'
import { waitForRecords } from '../waiting.js'

/** The first version with topic ids instead of names. */
const topicIdVersion = 13

/**
 * Fetch, v4–18. Reads record batches; waits up to maxWaitMs until there are minBytes (KIP-74: at least one batch,
 * whatever its size; the batches of one response are bounded by maxBytes and partitionMaxBytes otherwise).
 * v7: fetch sessions (KIP-227) are not kept: whoever asks for one gets session 0 and sends whole requests.
 * v13: topic ids (KIP-516).
 *
 * While a request waits, later ones of its connection go on; it reads when its answer's turn has come. What is there is
 * answered without a wait of any kind.
 */
export const fetch = handle(
  Fetch,
  (request, context): FetchResponse | Promise<FetchResponse> => {
    if (request.sessionEpoch > 0) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses: [] }
    const wanted = wantedPartitions(request, context)
    return check(wanted, context.cluster) ? answer(request, wanted, context) : afterBarrier(request, wanted, context)
  },
  (request) => ({ errorCode: ErrorCode.NONE, responses: unavailable(request) }),
)

async function afterBarrier(request: FetchRequest, wanted: readonly WantedPartition[], context: RequestContext) {
  const { cluster } = context
  await cluster.barrier()
  resolveTopics(wanted, context)
  check(wanted, cluster)
  return answer(request, wanted, context)
}

function answer(
  request: FetchRequest,
  wanted: readonly WantedPartition[],
  context: RequestContext,
): FetchResponse | Promise<FetchResponse> {
  const minBytes = Math.min(request.minBytes, request.maxBytes, context.answerBytesMax)
  const isReady = () => isAnswerable(wanted, minBytes, context.cluster)
  const waits = request.maxWaitMs > 0 && wanted.length > 0 && !isReady()
  return waits ? afterWait(request, wanted, isReady, context) : read(request, wanted, context)
}

async function afterWait(
  request: FetchRequest,
  wanted: readonly WantedPartition[],
  isReady: () => boolean,
  context: RequestContext,
): Promise<FetchResponse> {
  const { cluster, clock, signal } = context
  context.proceed()
  await waitForRecords({
    logs: cluster.logs,
    partitions: wanted,
    isReady,
    clock,
    timeoutMs: request.maxWaitMs,
    signal,
  })
  await context.turn()
  check(wanted, cluster)
  return read(request, wanted, context)
}

type TopicRequest = FetchRequest['topics'][number]

/** One partition of a request; also says which one it is, for `watch`. */
interface WantedPartition {
  topicId: string
  readonly partition: number
  readonly offset: number
  readonly bytesMax: number
  readonly currentLeaderEpoch: number
  readonly topic: TopicRequest
  /** As far as it is known. */
  live: LivePartition | undefined
  errorCode: ErrorCode
  batches: Buffer[]
}

const nothing: Buffer[] = []

function wantedPartitions(request: FetchRequest, context: RequestContext): WantedPartition[] {
  const wanted: WantedPartition[] = []
  for (const topic of request.topics)
    for (const partition of topic.partitions)
      wanted.push({
        topicId: topic.topicId,
        partition: partition.partition,
        offset: partition.fetchOffset,
        bytesMax: partition.partitionMaxBytes,
        currentLeaderEpoch: partition.currentLeaderEpoch,
        topic,
        live: undefined,
        errorCode: ErrorCode.NONE,
        batches: nothing,
      })
  resolveTopics(wanted, context)
  return wanted
}

/**
 * Fills in the ids of topics, also of those that are asked for by id: what looks for a partition by the very text by
 * which it is known finds it soonest. An unknown name keeps Kafka's zero id, which no topic has.
 */
function resolveTopics(wanted: readonly WantedPartition[], { apiVersion, cluster }: RequestContext): void {
  let last: TopicRequest | undefined
  let topicId = ''
  for (const partition of wanted) {
    const { topic } = partition
    if (topic !== last) {
      const found =
        apiVersion >= topicIdVersion ? cluster.topics.byId(topic.topicId) : cluster.topics.byName(topic.topic)
      topicId = found?.id ?? topic.topicId
      last = topic
    }
    partition.topicId = topicId
  }
}

/**
 * Sees which partitions can be read. False if there is one that can't, as far as this instance knows now, but perhaps
 * could as others know.
 */
function check(wanted: readonly WantedPartition[], { logs, topics }: Cluster): boolean {
  let isCertain = true
  for (const partition of wanted) {
    const live = logs.live(partition.topicId, partition.partition)
    partition.live = live
    if (live === undefined) {
      const isUnknownId = partition.topic.topic === '' && topics.byId(partition.topicId) === undefined
      partition.errorCode = isUnknownId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      isCertain = false
    } else if (partition.offset > live.highWatermark) {
      partition.errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
      isCertain = false
    } else if (partition.offset < live.logStartOffset) partition.errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
    else partition.errorCode = leaderEpochProblem(partition.currentLeaderEpoch)
  }
  return isCertain
}

/** Whether there is enough to answer with: an error, or so many bytes. */
function isAnswerable(wanted: readonly WantedPartition[], minBytes: number, { logs }: Cluster): boolean {
  let bytes = 0
  for (const { topicId, partition, offset, bytesMax, live, errorCode } of wanted) {
    if (errorCode !== ErrorCode.NONE || live === undefined || live.isGone || offset < live.logStartOffset) return true
    if (offset < live.highWatermark) bytes += logs.available(topicId, partition, offset, Math.max(bytesMax, 1))
    if (bytes >= minBytes) return true
  }
  return bytes >= minBytes
}

/**
 * Reads the partitions, in the request's order of precedence. The first that has anything gives a whole batch even if that
 * is larger than allowed (KIP-74).
 */
function read(
  request: FetchRequest,
  wanted: readonly WantedPartition[],
  context: RequestContext,
): FetchResponse | Promise<FetchResponse> {
  const { logs } = context.cluster
  const reading = logs.reading()
  const waiting: Promise<void>[] = []
  let rest = Math.min(request.maxBytes, context.answerBytesMax)
  let isFirst = true
  for (const partition of context.signal.aborted ? [] : wanted) {
    if (rest <= 0 && !isFirst) break
    const { topicId, partition: number, offset, live, errorCode } = partition
    const allowed = Math.min(partition.bytesMax, rest)
    if (errorCode !== ErrorCode.NONE || (allowed <= 0 && !isFirst)) continue
    if (live === undefined || offset >= live.highWatermark) continue
    const bytesMax = Math.max(allowed, 1)
    let bytes: number | undefined
    try {
      const found = reading.read(topicId, number, offset, { bytesMax, strict: !isFirst })
      if (found instanceof Promise) waiting.push(settle(partition, found, context))
      else {
        partition.batches = found.batches
        bytes = found.bytes
      }
    } catch (error) {
      fail(partition, error, context)
    }
    // What does not fit fills the answer, too: those after it are not to be looked at for something smaller.
    if (bytes === undefined || allowed === rest) bytes = logs.available(topicId, number, offset, bytesMax)
    rest -= bytes
    if (bytes > 0) isFirst = false
  }
  const finish = () => {
    context.whenSent(() => reading.release())
    return { errorCode: ErrorCode.NONE, responses: responsesOf(request, wanted) }
  }
  return waiting.length === 0 ? finish() : Promise.all(waiting).then(finish)
}

async function settle(wanted: WantedPartition, found: Promise<ReadBatches>, context: RequestContext): Promise<void> {
  try {
    wanted.batches = (await found).batches
  } catch (error) {
    fail(wanted, error, context)
  }
}

function fail(wanted: WantedPartition, error: unknown, { log }: RequestContext): void {
  if (error instanceof AssertionError) throw error
  const { topicId, partition, offset } = wanted
  log.warn({ topicId, partition, offset, problem: messageOf(error) }, 'records could not be read')
  wanted.errorCode = ErrorCode.KAFKA_STORAGE_ERROR
}

function responsesOf(request: FetchRequest, wanted: readonly WantedPartition[]): FetchResponse['responses'] {
  let next = 0
  return request.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(() => {
      const { partition, live, errorCode, batches } = wanted[next++] as WantedPartition
      // A topic may have gone while we read.
      if (errorCode !== ErrorCode.NONE || live === undefined || live.isGone)
        return failed(partition, errorCode || ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      return {
        partitionIndex: partition,
        errorCode,
        highWatermark: live.highWatermark,
        lastStableOffset: live.lastStableOffset,
        logStartOffset: live.logStartOffset,
        records: batches,
      }
    }),
  }))
}

function unavailable(request: FetchRequest): FetchResponse['responses'] {
  return request.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(({ partition }) => failed(partition, ErrorCode.KAFKA_STORAGE_ERROR)),
  }))
}

function failed(partitionIndex: number, errorCode: ErrorCode) {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: nothing,
  }
}
